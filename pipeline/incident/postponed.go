package incident

import (
	"fmt"
	"time"
)

// Postponed is the error of a handler that wants to be told again, after a time.
type Postponed struct{ For time.Duration }

func (p *Postponed) Error() string { return fmt.Sprintf("to be told again in %s", p.For) }
