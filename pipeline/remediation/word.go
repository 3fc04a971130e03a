package remediation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// Word is a command that somebody wrote who may push, as a comment on the pull request: /cortexops WORD ARGUMENTS.
type Word struct {
	ID         int64             `json:"id"` // of the comment; a later one's is higher
	Word       string            `json:"word"`
	Parameters map[string]string `json:"parameters,omitempty"` // of approve: memory=768Mi
	By         string            `json:"by"`
	Wrong      string            `json:"wrong,omitempty"` // why it means nothing
}

// atLeast so many digits of a commit name it.
const atLeast = 7

// command is the line of a comment that begins with /cortexops, in words, without that. One that Markdown shows as code is none.
func command(body string) []string {
	first, rest, more := strings.Cut(body, "\n")
	for strings.TrimSpace(first) == "" && more {
		first, rest, more = strings.Cut(rest, "\n")
	}
	if indent := first[:len(first)-len(strings.TrimLeft(first, " \t"))]; len(indent) > 3 || strings.Contains(indent, "\t") {
		return nil
	}
	if words := strings.Fields(first); len(words) > 1 && words[0] == "/cortexops" {
		return words[1:]
	}
	return nil
}

// commanding tells whether a comment asks anything of us.
func commanding(body string) bool { return len(command(body)) > 0 }

// commands sorts the comments on a change into what is said for and against it, which counts as a click does, and what else is
// asked of us. A comment names no commit as a review does: where another one was shown before, it must.
func commands(c incident.Change, said []forge.Said) (verdicts []incident.Action, asks []Word) {
	for _, s := range said {
		line := command(s.Body)
		if !s.MayWrite || len(line) == 0 || s.Edited && line[0] != "reject" { // nothing is done by a word that may be another's, or not done against it
			continue
		}
		act := incident.Action{Actor: s.User, Number: c.Number, HeadSHA: c.HeadSHA, AcceptedAt: s.At}
		ask := Word{ID: s.ID, Word: line[0], By: s.User}
		switch ask.Word {
		case "reject": // said of an earlier commit, it came while that was revised: nothing is merged against somebody's word
			act.Kind, act.Reason = incident.Reject, cutTo(strings.Join(line[1:], " "), incident.MaxReason)
			verdicts = append(verdicts, act)
		case "approve":
			var head string
			if head, ask.Parameters, ask.Wrong = approving(line[1:]); ask.Wrong != "" || len(ask.Parameters) > 0 {
				asks = append(asks, ask)
				continue
			}
			switch {
			case head != "" && strings.HasPrefix(c.HeadSHA, head), head == "" && c.RevisedAt.IsZero():
				act.Kind = incident.Approve
				verdicts = append(verdicts, act)
			default:
				ask.Wrong = fmt.Sprintf("it asks for something else now; say which commit is approved: /cortexops approve %s", short(c.HeadSHA))
				asks = append(asks, ask)
			}
		case "explain":
			asks = append(asks, ask)
		}
	}
	return verdicts, asks
}

// approving reads the arguments of approve: a commit, or values of parameters.
func approving(arguments []string) (head string, parameters map[string]string, wrong string) {
	for _, a := range arguments {
		name, value, is := strings.Cut(a, "=")
		switch {
		case is && name != "" && value != "" && len(a) <= 100:
			if parameters == nil {
				parameters = map[string]string{}
			}
			parameters[name] = value
		case !is && len(arguments) == 1 && len(a) >= atLeast && len(a) <= 64 && strings.Trim(a, "0123456789abcdef") == "":
			head = a
		default:
			return "", nil, "approve is said with nothing, with a commit (7 hex digits or more), or with values such as memory=768Mi"
		}
	}
	return head, parameters, ""
}

// next is the first that was not heard yet.
func next(asks []Word, heard int64) *Word {
	if i := slices.IndexFunc(asks, func(w Word) bool { return w.ID > heard }); i >= 0 {
		return &asks[i]
	}
	return nil
}

func cutTo(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}
