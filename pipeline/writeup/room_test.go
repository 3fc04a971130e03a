package writeup

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestEveryTextHasRoom: whatever others have worded, the forge takes what we write, and it says where the whole is.
func TestEveryTextHasRoom(t *testing.T) {
	t.Parallel()
	for name, long := range map[string]string{"a long line": strings.Repeat("no route to é|<host> @team ", 7000), "many lines": strings.Repeat("- rule: [a]\n", 7000),
		"backticks": strings.Repeat("`", 70_000), "what is escaped": strings.Repeat("&_", 50_000)} {
		p := proposal()
		key, c := p.Key, incident.Change{Number: 7, HeadSHA: strings.Repeat("b", 40), Branch: p.Key.Branch()}
		verdict := incident.Verdict{Result: incident.NoData}
		for range 60 {
			verdict.Checks = append(verdict.Checks, incident.CheckResult{Name: long, Result: "no-data", Value: long, Must: long})
		}
		p.Playbook.Window = time.Minute
		for range 100 {
			e := p.Edits[0]
			e.From, e.To, e.Why = long, long, []string{long}
			p.Edits = append(p.Edits, e)
		}
		var w Writer
		commit, revertTitle, revert := w.Revert(p, c, "m", verdict, []incident.Course{course()})
		_, takenTitle, taken := w.TakeBack(p, c, "m", []string{long, long, long, long, long, long, long, long})
		_, restoreTitle, restore := w.Restore(p, c, []incident.Course{course()})
		for what, s := range map[string]string{
			"ending": w.Ending(p, incident.Outcome{Phase: incident.Escalated, Reason: long}), "held": w.Held(key, incident.Applying, long),
			"silence": w.Silence(p, verdict, time.Time{}), "abandoned": w.Abandoned(key, long), "braked": w.Braked(incident.Merging, long), "paused": w.Paused(long),
			"followed": w.Followed(key, long), "refused": w.Refused("sam", long), "revised": w.Revised(p, c, long), "explained": w.Explained(p, c),
			"lapsed": w.Lapsed("kept", long), "revert": revert, "take back": taken, "restore": restore,
			"evidence": w.Evidence(key, []incident.Incident{{ID: key.Incident, Signals: []incident.Signal{{Name: long}}}}),
		} {
			if len(s) > maxPage+1024 || what != "revert" && what != "take back" && what != "restore" && len(s) > maxPage || !utf8.ValidString(s) {
				t.Errorf("%s, %s: %d bytes, valid %v", name, what, len(s), utf8.ValidString(s))
			}
			if what != "evidence" && !strings.Contains(s, "cortexops ledger show") {
				t.Errorf("%s, %s does not say where the whole is: %.200s", name, what, s)
			}
			if name != "backticks" && strings.Count(s, "\n```")%2 != 0 {
				t.Errorf("%s, %s leaves a fence open", name, what)
			}
		}
		for what, title := range map[string]string{"revert": revertTitle, "take back": takenTitle, "restore": restoreTitle} {
			if len(title) > maxTitle {
				t.Errorf("%s: the title of the %s has %d bytes", name, what, len(title))
			}
		}
		for what, s := range map[string]string{"ending": w.Ending(p, incident.Outcome{Reason: long}), "revert": revert, "take back": taken, "restore": restore} {
			if !strings.HasSuffix(s, footer(p)) {
				t.Errorf("%s: the %s has lost its footer", name, what)
			}
		}
		if len(commit) > 4*maxBody {
			t.Errorf("%s: the message of the revert has %d bytes", name, len(commit))
		}
	}
}
