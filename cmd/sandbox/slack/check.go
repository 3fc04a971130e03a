package slack

import (
	"fmt"
	"unicode/utf8"
)

// checker gathers what Slack would say is wrong with blocks.
type checker struct {
	wrong []string
	ids   map[string]bool
}

// check holds blocks against the limits that Slack documents, for the blocks
// that a message of ours may have.
func check(blocks []object) []string {
	c := &checker{ids: map[string]bool{}}
	if len(blocks) > 50 {
		c.say("/blocks", "no more than 50 items allowed")
	}
	for i, b := range blocks {
		c.block(fmt.Sprintf("/blocks/%d", i), b)
	}
	return c.wrong
}

func (c *checker) say(pointer, what string) {
	c.wrong = append(c.wrong, fmt.Sprintf("[ERROR] %s [json-pointer:%s]", what, pointer))
}

func (c *checker) block(pointer string, b object) {
	if id, ok := b["block_id"]; ok {
		s := c.length(pointer+"/block_id", id, 255)
		if c.ids[s] {
			c.say(pointer+"/block_id", fmt.Sprintf("%q already exists", s))
		}
		c.ids[s] = true
	}
	switch b["type"] {
	case "divider":
	case "header":
		c.text(pointer+"/text", b["text"], 150, false)
	case "section":
		c.text(pointer+"/text", b["text"], 3000, true)
	case "context":
		c.each(pointer+"/elements", b["elements"], 10, func(p string, e object) { c.text(p, e, 3000, true) })
	case "input":
		c.text(pointer+"/label", b["label"], 2000, false)
		e, _ := b["element"].(object)
		c.input(pointer+"/element", e)
	case "actions":
		seen := map[string]bool{}
		c.each(pointer+"/elements", b["elements"], 25, func(p string, e object) {
			c.button(p, e)
			id, _ := e["action_id"].(string)
			if seen[id] {
				c.say(p+"/action_id", fmt.Sprintf("%q already exists", id))
			}
			seen[id] = true
		})
	default:
		c.say(pointer, fmt.Sprintf("unsupported type: %v", b["type"]))
	}
}

func (c *checker) input(pointer string, e object) {
	if e["type"] != "plain_text_input" {
		c.say(pointer, fmt.Sprintf("unsupported type: %v", e["type"]))
		return
	}
	c.length(pointer+"/action_id", e["action_id"], 255)
	if e["placeholder"] != nil {
		c.text(pointer+"/placeholder", e["placeholder"], 150, false)
	}
	if most, ok := e["max_length"]; ok {
		if n, isNumber := most.(float64); !isNumber || n < 1 || n > 3000 {
			c.say(pointer+"/max_length", "must be 1 to 3000")
		}
	}
}

func (c *checker) button(pointer string, e object) {
	if e["type"] != "button" {
		c.say(pointer, fmt.Sprintf("unsupported type: %v", e["type"]))
		return
	}
	c.text(pointer+"/text", e["text"], 75, false)
	c.length(pointer+"/action_id", e["action_id"], 255)
	for key, most := range map[string]int{"value": 2000, "url": 3000} {
		if v, ok := e[key]; ok {
			c.length(pointer+"/"+key, v, most)
		}
	}
	if style, ok := e["style"]; ok && style != "primary" && style != "danger" {
		c.say(pointer+"/style", "must be primary or danger")
	}
	if v, ok := e["confirm"]; ok {
		confirm, _ := v.(object)
		for key, most := range map[string]int{"title": 100, "text": 300, "confirm": 30, "deny": 30} {
			c.text(pointer+"/confirm/"+key, confirm[key], most, key == "text")
		}
	}
}

func (c *checker) each(pointer string, v any, most int, fn func(string, object)) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 || len(list) > most {
		c.say(pointer, fmt.Sprintf("must have 1 to %d items", most))
		return
	}
	for i, e := range list {
		o, _ := e.(object)
		fn(fmt.Sprintf("%s/%d", pointer, i), o)
	}
}

func (c *checker) text(pointer string, v any, most int, markup bool) {
	o, _ := v.(object)
	if o["type"] != "plain_text" && (o["type"] != "mrkdwn" || !markup) {
		c.say(pointer, fmt.Sprintf("unsupported type: %v", o["type"]))
		return
	}
	c.length(pointer+"/text", o["text"], most)
}

func (c *checker) length(pointer string, v any, most int) string {
	s, ok := v.(string)
	switch n := utf8.RuneCountInString(s); {
	case !ok || n == 0:
		c.say(pointer, "must be more than 0 characters")
	case n > most:
		c.say(pointer, fmt.Sprintf("must be less than %d characters", most+1))
	}
	return s
}
