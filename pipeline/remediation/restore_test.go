package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/locate"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// TestExpiry plays what people may make of a fix whose time is over.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		offer    Offer
		said     Restore
		allow    bool
		waits    int // how often a brake holds it back
		held     int // for how many looks another remediation has the target
		stuck    string
		applyErr error
		word     string
		why      string
		never    []string
	}{
		"nothing to offer":  {Offer{Why: "changed since"}, Restore{}, true, 0, 0, "", nil, "kept", "changed since", []string{"AwaitRestore", "MarkRestore", "Apply"}},
		"closed":            {Offer{}, Restore{Why: "closed by sam"}, true, 0, 0, "", nil, "kept", "closed by sam", []string{"Apply"}},
		"merged":            {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 0, "", nil, "restored", "merged by sam", nil},
		"paused meanwhile":  {Offer{}, Restore{Merge: "m", By: "sam"}, true, 3, 0, "", nil, "restored", "merged by sam", nil},
		"paused for a day":  {Offer{}, Restore{Merge: "m", By: "sam"}, true, 1000, 0, "", nil, "failed", "not applied within 24h0m0s: paused", []string{"Apply"}},
		"policy refuses":    {Offer{}, Restore{Merge: "m", By: "sam"}, false, 0, 0, "", nil, "failed", "policy refuses to apply it: [frozen]", []string{"Apply"}},
		"never ready":       {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 0, "deadline exceeded", nil, "failed", "deadline exceeded", nil},
		"another rendering": {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 0, "", temporal.NewNonRetryableApplicationError("does not render", "Mismatch", nil), "failed", "Mismatch: does not render", []string{"Wait"}},
		"no permission yet": {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 0, "", temporal.NewNonRetryableApplicationError("add a rule", typeUnauthorized, nil), "restored", "merged by sam", nil},
		"another at work":   {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 2, "", nil, "restored", "merged by sam", nil},
		"another for a day": {Offer{}, Restore{Merge: "m", By: "sam"}, true, 0, 1000, "", nil, "failed", "not applied within 24h0m0s: remediation/ba9876543210/1 is at work on t", []string{"Apply"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.SetTestTimeout(time.Minute) // of the machine's own time, which others need too
			env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
			env.RegisterWorkflow(Expiry)
			var calls []string
			var ended EndRestoreInput
			asked, looked, applies, claimed := 0, 0, 0, false
			for name, f := range map[string]any{
				"OfferRestore": func(OfferInput) (Offer, error) { return c.offer, nil },
				"DryRun": func(in DryRunInput) (string, error) { // what was live when it was offered may be another by the merge
					if in.Step == "dry-run-restore" {
						return "long ago", nil
					}
					return "d", nil
				},
				"MarkRestore": func(MarkInput) error { return nil },
				"ClaimRestore": func(in ClaimInput) (incident.Key, error) {
					if claimed = !in.Release; in.Release {
						return incident.Key{}, nil
					}
					if looked++; looked <= c.held {
						claimed = false
						return another, nil
					}
					return incident.Key{}, nil
				},
				"AwaitRestore": func(in AwaitInput) (Restore, error) { return c.said, nil },
				"Decide": func(in GateInput) (incident.Decision, error) {
					d := incident.Decision{Allow: c.allow, Reasons: []string{"frozen"}}
					if in.Gate == incident.GateApply {
						if !slices.Equal(in.Approvals, []string{"sam"}) || in.DryRun != "d" || in.Phase == incident.RollingBack || !claimed || in.Holder != (incident.Key{Incident: "0123456789ab", Attempt: -1}) {
							t.Errorf("policy is asked %+v", in)
						}
						if asked++; asked <= c.waits {
							d.Wait = "paused"
						}
					}
					return d, nil
				},
				"Apply": func(in ApplyInput) (Applied, error) {
					if !in.Restore || in.Revert || in.Merge != "m" || !claimed {
						t.Errorf("applied %+v", in)
					}
					var app *temporal.ApplicationError
					if applies++; errors.As(c.applyErr, &app) && app.Type() == typeUnauthorized && applies == 3 {
						return Applied{}, nil
					}
					return Applied{}, c.applyErr
				},
				"Wait":       func(ApplyInput) (Rollout, error) { return Rollout{Stuck: c.stuck}, nil },
				"EndRestore": func(in EndRestoreInput) error { ended = in; return nil },
			} {
				env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
			}
			env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
				calls = append(calls, info.ActivityType.Name)
			})
			env.OnUpsertTypedSearchAttributes(mock.Anything).Return(nil).Maybe()
			env.ExecuteWorkflow(Expiry, Lapse{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Target: "t", Playbook: "p"})
			var got Lapsed
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			if got.Word != c.word || !strings.Contains(got.Why, c.why) || ended.End != got {
				t.Errorf("%+v, ended %+v", got, ended.End)
			}
			for _, never := range c.never {
				if slices.Contains(calls, never) {
					t.Errorf("%s must not run: %v", never, calls)
				}
			}
		})
	}
}

// TestAFailedRestoreIsToldInTheChat, also where there is no pull request to tell it on.
func TestAFailedRestoreIsToldInTheChat(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"failed": "t: why", "kept": "", "restored": ""} {
		chat := &room{}
		a := &Restorer{Book: &pages{}, Claims: &shared{}, Chat: chat, Writer: restoring{}}
		if err := a.EndRestore(t.Context(), EndRestoreInput{Lapse: Lapse{Key: thisOne, Target: "t"}, End: Lapsed{Word: word, Why: "why"}}); err != nil || chat.posted[stepLapsed] != want {
			t.Errorf("%s: %v, %v", word, chat.posted, err)
		}
	}
}

// TestClaimRestore tells who else is at work on the target, and its end gives it back.
func TestClaimRestore(t *testing.T) {
	t.Parallel()
	us := thisOne.Restoring()
	for name, c := range map[string]struct{ holder, want incident.Key }{
		"free": {incident.Key{}, incident.Key{}}, "ours": {us, incident.Key{}}, "another's": {another, another}, "of the fix itself": {thisOne, thisOne},
	} {
		claims := &shared{holder: c.holder}
		a := &Restorer{Book: &pages{}, Claims: claims}
		if got, err := a.ClaimRestore(t.Context(), ClaimInput{Lapse: Lapse{Key: thisOne, Target: "t"}}); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if err := a.EndRestore(t.Context(), EndRestoreInput{Lapse: Lapse{Key: thisOne, Target: "t"}}); err != nil || !slices.Equal(claims.released, []incident.Key{us}) {
			t.Errorf("%s: released %v, %v", name, claims.released, err)
		}
	}
}

// asks is a forge with one pull request, whose state changes as it is looked at.
type asks struct {
	oneForge
	pulls  []forge.Pull
	opened forge.NewPull
	away   error // the first time
}

func (a *asks) OpenPull(_ context.Context, n forge.NewPull) (forge.Pull, error) {
	a.opened = n
	return forge.Pull{Number: 9, URL: "u"}, nil
}

func (a *asks) Get(context.Context, int) (forge.Pull, error) {
	if err := a.away; err != nil {
		a.away = nil
		return forge.Pull{}, err
	}
	p := a.pulls[0]
	if len(a.pulls) > 1 {
		a.pulls = a.pulls[1:]
	}
	return p, nil
}

type restoring struct{}

func (restoring) Restore(_ incident.Proposal, _ incident.Change, usage []incident.Course) (commit, title, body string) {
	return "commit", "title", fmt.Sprint(usage[0].Check)
}
func (restoring) Lapsed(word, why string) string { return word + " " + why }
func (restoring) SlackLapsed(_ incident.Key, target string, _ incident.Change, why string) (string, []byte) {
	return target + ": " + why, nil
}

// since is a repository in which the files of the fix may have been changed.
type since struct {
	*undone
	dirty error
}

func (s since) Snapshot(string) (*repo.Snapshot, error) { return &repo.Snapshot{}, nil }
func (s since) RevertFiles(ctx context.Context, commit, head string) (map[string][]byte, error) {
	if s.dirty != nil {
		return nil, s.dirty
	}
	return s.undone.RevertFiles(ctx, commit, head)
}

func restorer(book Book, s since, f *asks) *Restorer {
	return &Restorer{Book: book, Repo: s, Forge: f, Writer: restoring{}, Repository: Repository{Base: "main"}, Every: time.Millisecond,
		Usage: func(context.Context, []incident.Check, time.Time, time.Time) []incident.Course {
			return []incident.Course{{Check: "peaks"}}
		},
		Render: func(_ context.Context, files locate.Files, _ string) ([]locate.Object, error) {
			json := `{"memory":"1Gi"}`
			if _, base := files.(*repo.Snapshot); !base {
				b, err := files.ReadFile("a.yaml")
				if err != nil {
					return nil, err
				}
				json = fmt.Sprintf("{%q:1}", b)
			}
			return []locate.Object{{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout", JSON: []byte(json)}}, nil
		}}
}

// TestOfferRestore offers what undoes the fix on the base of now, and what that renders; where somebody was there since, nothing.
func TestOfferRestore(t *testing.T) {
	t.Parallel()
	r := incident.Resource{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "checkout"}
	for name, dirty := range map[string]error{"as it was left": nil, "changed since": &repo.NotClean{Paths: []string{"a.yaml"}}} {
		book, f := &pages{}, &asks{}
		digest, err := put(t.Context(), book, incident.Proposal{Objects: []incident.RenderedObject{incident.Rendered(r, []byte("{}"))}, Edits: []incident.Edit{{Resource: r, From: "512Mi", To: "1Gi"}},
			Files: []incident.File{{Path: "a.yaml", Before: []byte("512Mi"), After: []byte("1Gi")}}})
		if err != nil {
			t.Fatal(err)
		}
		a := restorer(book, since{&undone{heads: map[string]string{"main": "new"}}, dirty}, f)
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(a.OfferRestore)
		value, err := env.ExecuteActivity(a.OfferRestore, OfferInput{Lapse: Lapse{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}, Proposal: digest, Change: incident.Change{HeadSHA: "fix"}}})
		var got Offer
		if err == nil {
			err = value.Get(&got)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if dirty != nil {
			if !strings.Contains(got.Why, "changed since") || f.opened.Head != "" || len(book.rows) != 0 {
				t.Errorf("%s: %+v, %+v", name, got, f.opened)
			}
			continue
		}
		back, err := get[incident.Proposal](t.Context(), book, got.Proposal)
		if err != nil {
			t.Fatal(err)
		}
		if f.opened != (forge.NewPull{Head: "cortexops/0123456789ab-1-restore", Base: "main", Title: "title", Body: "peaks"}) || got.Change.Number != 9 || !book.has("open-restore", incident.Done) ||
			back.BaseSHA != "new" || back.Edits[0].From != "1Gi" || string(back.Before[0].JSON) != `{"memory":"1Gi"}` || string(back.Objects[0].JSON) != `{"fix undone on new":1}` {
			t.Errorf("%s: %+v, %+v, %+v", name, got, f.opened, back)
		}
	}
}

// TestAwaitRestore is over when people say so, or time is.
func TestAwaitRestore(t *testing.T) {
	t.Parallel()
	open, later := forge.Pull{State: "open", HeadSHA: "h"}, time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		then  forge.Pull
		until time.Time
		want  Restore
		fails bool
	}{
		"closed":                    {forge.Pull{State: "closed", ClosedBy: "sam"}, later, Restore{Why: "closed by sam"}, false},
		"merged":                    {forge.Pull{State: "closed", Merged: true, HeadSHA: "h", MergeSHA: "m", MergedBy: "sam"}, later, Restore{Merge: "m", By: "sam"}, false},
		"something else":            {forge.Pull{State: "closed", Merged: true, HeadSHA: "x", MergeSHA: "m", MergedBy: "sam"}, later, Restore{}, true},
		"nobody":                    {open, time.Unix(0, 0), Restore{Why: "nobody said anything until 1970-01-01"}, false},
		"merged at the last moment": {forge.Pull{State: "closed", Merged: true, HeadSHA: "h", MergeSHA: "m", MergedBy: "sam"}, time.Unix(0, 0), Restore{Merge: "m", By: "sam"}, false},
	} {
		book, f := &pages{}, &asks{pulls: []forge.Pull{open, open, c.then}, away: &forge.Unauthorized{Status: 401}}
		if c.until != later {
			f.pulls, f.away = []forge.Pull{open, c.then}, nil
		}
		a := restorer(book, since{}, f)
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(a.AwaitRestore)
		value, err := env.ExecuteActivity(a.AwaitRestore, AwaitInput{Offer: Offer{Change: incident.Change{Number: 9, HeadSHA: "h"}}, Until: c.until})
		var got Restore
		if err == nil {
			err = value.Get(&got)
		}
		var app *temporal.ApplicationError
		if c.fails != (errors.As(err, &app) && app.Type() == typeMoved) || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if slices.Contains(f.wrote, "close") != (name == "nobody" || name == "merged at the last moment") {
			t.Errorf("%s: %q", name, f.wrote)
		}
	}
}

// TestAFixForATime is followed by its end where it succeeded, and only there.
func TestAFixForATime(t *testing.T) {
	t.Parallel()
	for phase, ttl := range map[incident.Phase]time.Duration{incident.Succeeded: time.Hour, incident.RolledBack: time.Hour, incident.Escalated: 0} {
		book := &pages{}
		digest, err := put(t.Context(), book, incident.Proposal{Playbook: incident.Playbook{TTL: ttl}})
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		c := &Closer{Book: book, Claims: &shared{}, Repo: gitless{}, Forge: &oneForge{}, Writer: words{}, Later: func(_ context.Context, in Lapse, after time.Duration) error {
			asked = append(asked, in.Key.Expiry()+" "+after.String()+" "+in.Change.HeadSHA)
			return nil
		}}
		in := Ending{Key: incident.Key{Incident: "0123456789ab", Attempt: 2}, Proposal: digest, Outcome: incident.Outcome{Phase: phase}, Change: incident.Change{HeadSHA: "h"}}
		if err := c.Close(t.Context(), in); err != nil {
			t.Error(err)
		}
		if want := phase == incident.Succeeded; want != slices.Equal(asked, []string{"expiry/0123456789ab/2 1h0m0s h"}) || want != book.has("ttl", incident.Done) || !want && asked != nil {
			t.Errorf("%s: %q", phase, asked)
		}
	}
}

// TestLater starts one workflow, which begins when the time is over.
func TestLater(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]error{"started": nil, "asked for a second time": serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "")} {
		c := &mocks.Client{}
		var got client.StartWorkflowOptions
		c.On("ExecuteWorkflow", mock.Anything, mock.Anything, ExpiryName, mock.Anything).Run(func(a mock.Arguments) { got = a.Get(1).(client.StartWorkflowOptions) }).Return(nil, refuse)
		err := Later(c, here)(t.Context(), Lapse{Key: incident.Key{Incident: "0123456789ab", Attempt: 1}}, time.Hour)
		if err != nil || got.ID != "expiry/0123456789ab/1" || got.StartDelay != time.Hour || got.TaskQueue != "queue@prod" {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
}
