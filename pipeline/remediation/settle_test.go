package remediation

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cortexops/cortexops/gitops/delivery"
	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/pipeline/incident"
)

// moody sees something else each time that it looks.
type moody struct{ looks int }

func (m *moody) Look(context.Context, json.RawMessage, time.Duration, []incident.Check) (json.RawMessage, *incident.Verdict, error) {
	m.looks++
	return nil, &incident.Verdict{Result: []string{incident.Fail, incident.Pass}[(m.looks-1)%2]}, nil
}

func (m *moody) Preview(context.Context, []byte, []byte) (delivery.Change, error) {
	m.looks++
	return delivery.Change{User: "worker", Diff: fmt.Sprint(m.looks)}, nil
}

// TestARetryReturnsWhatTheLedgerSays, where the try before it had written that down and its answer was lost.
func TestARetryReturnsWhatTheLedgerSays(t *testing.T) {
	t.Parallel()
	book := &pages{}
	object := incident.Rendered(incident.Resource{Kind: "Deployment", Name: "checkout"}, []byte("{}"))
	proposals := map[string]string{}
	for _, name := range []string{"first", "second"} {
		digest, err := put(t.Context(), book, incident.Proposal{Explain: name, Before: []incident.RenderedObject{object}, Objects: []incident.RenderedObject{object}})
		if err != nil {
			t.Fatal(err)
		}
		proposals[name] = digest
	}
	said := &wall{said: []forge.Said{{ID: 1, User: "sam", Body: "/cortexops keep", MayWrite: true}}}
	shop := &oneForge{Pull: forge.Pull{Merged: true, HeadSHA: "h", MergeSHA: "one", MergedBy: "sam"}}
	asker, restorer := &Asker{Book: book, Forge: said}, &Restorer{Book: book, Forge: shop, Every: time.Millisecond}
	watcher, runner := &Watcher{Book: book, Metrics: &moody{}, Every: time.Millisecond}, &DryRunner{Book: book, Cluster: previews{moody: &moody{}}}
	dry := func(proposal, step string) string {
		t.Helper()
		digest, err := activityRun[string](t, runner.DryRun, DryRunInput{Key: thisOne, Proposal: proposals[proposal], Step: step})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	var verdicts []string
	for range 2 {
		verdict, err := activityRun[incident.Verdict](t, watcher.Verify, VerifyInput{Key: thisOne, Proposal: proposals["first"]})
		if err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, verdict.Result)
		word, err := activityRun[Said](t, asker.Answer, AskInput{Key: thisOne, Deadline: time.Now()})
		if err != nil || word != (Said{"keep", "sam"}) {
			t.Errorf("%+v, %v", word, err)
		}
		merged, err := activityRun[Restore](t, restorer.AwaitRestore, AwaitInput{Lapse: Lapse{Key: thisOne}, Offer: Offer{Change: incident.Change{HeadSHA: "h"}}, Until: time.Now().Add(time.Hour)})
		if err != nil || merged != (Restore{Merge: "one", By: "sam"}) {
			t.Errorf("%+v, %v", merged, err)
		}
		said.said, shop.MergeSHA = []forge.Said{{ID: 2, User: "kim", Body: "/cortexops wait", MayWrite: true}}, "another" // the comment is deleted
	}
	if verdicts[0] != incident.Fail || verdicts[1] != incident.Fail {
		t.Errorf("the verdict is %v", verdicts)
	}
	first := dry("first", "")
	if again := dry("first", ""); again != first {
		t.Error("policy and people are shown another dry-run than the ledger has")
	}
	if revised := dry("second", "dry-run-1"); revised == first || !book.has("dry-run-1", incident.Event) {
		t.Errorf("the revision has no row of its own: %+v", book.rows)
	}
	if other := dry("second", ""); other == first { // the row is of a worker that knew no steps
		t.Error("it is the dry-run of another proposal")
	}
}

// previews is a cluster that is only asked what it would store.
type previews struct {
	Cluster
	moody *moody
}

func (p previews) Preview(ctx context.Context, before, after []byte) (delivery.Change, error) {
	return p.moody.Preview(ctx, before, after)
}
