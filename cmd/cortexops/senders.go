package main

import (
	"fmt"

	"github.com/cortexops/cortexops/pipeline/intake"
)

// sender of CloudEvents.
type sender struct {
	// Name is the last part of its URL, and of the variable of its secret.
	Name string `yaml:"name"`
	// Auth is bearer or hmac.
	Auth string `yaml:"auth"`
	// Sources are prefixes of the attribute source that it may send. None: every one.
	Sources []string `yaml:"sources"`
}

func (s sender) of(secret string) intake.CloudEvents {
	return intake.CloudEvents{Name: s.Name, Secret: secret, HMAC: s.Auth == "hmac", Sources: s.Sources}
}

func (c *Config) senders() []intake.CloudEvents {
	var list []intake.CloudEvents
	for _, s := range c.CloudEvents {
		if secret := c.secrets.cloudEvents[s.Name]; secret != nil {
			list = append(list, s.of(*secret))
		}
	}
	return list
}

// sound reports what is wrong with the senders.
func (c *Config) sound() error {
	named := map[string]bool{}
	for i, s := range c.CloudEvents {
		switch {
		case named[s.Name]:
			return fmt.Errorf("cloudevents[%d].name: there is another sender called %q", i, s.Name)
		case s.Auth != "bearer" && s.Auth != "hmac":
			return fmt.Errorf("cloudevents[%d].auth is %q: say bearer or hmac", i, s.Auth)
		}
		named[s.Name] = true
	}
	return nil
}
