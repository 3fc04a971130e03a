package slack

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	spoil := func(old, new string) []object {
		var blocks []object
		if err := json.Unmarshal([]byte(strings.Replace(asked, old, new, 1)), &blocks); err != nil {
			t.Fatal(err)
		}
		return blocks
	}
	if wrong := check(spoil("", "")); len(wrong) > 0 {
		t.Errorf("a good message: %q", wrong)
	}
	for pointer, blocks := range map[string][]object{
		"/blocks]":                          make([]object, 51),
		"/blocks/0/text/text]":              spoil("Raise it?", strings.Repeat("x", 151)),
		"/blocks/1/text/text]":              spoil("it runs out of memory", strings.Repeat("x", 3000)),
		"/blocks/1/text]":                   spoil("mrkdwn", "markdown"),
		"/blocks/2/element]":                spoil("plain_text_input", "file_input"),
		"/blocks/2/element/max_length]":     spoil(`"max_length":10`, `"max_length":3001`),
		"/blocks/2/label]":                  spoil(`"label":{"type":"plain_text"`, `"label":{"type":"mrkdwn"`),
		"/blocks/3/elements/0/value]":       spoil(`{\"n\":1}`, strings.Repeat("x", 2001)),
		"/blocks/3/elements/0/style]":       spoil(`"primary"`, `"green"`),
		"/blocks/3/elements/0/text/text]":   spoil(`"text":"Approve"}`, `"text":"`+strings.Repeat("x", 76)+`"}`),
		"/blocks/3/elements/0/confirm/text": spoil("It is merged.", strings.Repeat("x", 301)),
		"/blocks/3/elements/1/action_id]":   spoil(`"action_id":"no"`, `"action_id":"yes"`),
		"/blocks/3/elements/1/text/text]":   spoil("Reject", ""),
		"/blocks/3/elements/2/url]":         spoil("https://forge.example/1", strings.Repeat("x", 3001)),
		"/blocks/3/block_id]":               spoil(`"type":"actions"`, `"type":"actions","block_id":"why"`),
	} {
		if wrong := check(blocks); !strings.Contains(strings.Join(wrong, " "), "json-pointer:"+pointer) {
			t.Errorf("%s: got %q", pointer, wrong)
		}
	}
}
