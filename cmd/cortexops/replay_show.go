package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/plan"
	"github.com/cortexops/cortexops/playbooks"
)

// replayResult is what --output json prints.
type replayResult struct {
	Incidents []replayedIncident `json:"incidents"` // by when they were sealed
	Signals   int                `json:"signals"`   // lines and alerts of bodies
	Again     int                `json:"again"`     // of these, told before
	Late      int                `json:"late"`      // of these, too late to be put where they belong
	Topology  struct {
		Nodes  int    `json:"nodes"`
		Edges  int    `json:"edges"`
		Digest string `json:"digest"`
	} `json:"topology"` // at the end
}

type replayedIncident struct {
	incident.Incident
	Playbook string   `json:"playbook,omitempty"` // that would be taken
	NotTaken []notFit `json:"notTaken,omitempty"`
}

type notFit struct {
	Playbook string `json:"playbook"`
	Why      string `json:"why"`
}

func (r *replayed) finish(books []playbooks.Playbook) replayResult {
	r.keep(r.joiner.Finish())
	out := replayResult{Incidents: []replayedIncident{}, Signals: r.signals, Again: r.again, Late: r.joiner.Late}
	out.Topology.Nodes, out.Topology.Edges = r.graph.Len()
	out.Topology.Digest = r.graph.Digest()
	for _, i := range r.last {
		shown := replayedIncident{Incident: i}
		best, others := playbooks.Match(books, plan.Facts(i))
		if best != nil {
			shown.Playbook = best.Name
		}
		for _, o := range others {
			n := notFit(o)
			if strings.Contains(n.Why, "incident.suspects") {
				n.Why += " (replay reads no repository, so that incident.suspects is empty)"
			}
			shown.NotTaken = append(shown.NotTaken, n)
		}
		out.Incidents = append(out.Incidents, shown)
	}
	slices.SortFunc(out.Incidents, func(a, b replayedIncident) int {
		return cmp.Or(a.SealedAt.Compare(b.SealedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (r replayResult) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// shownMembers of one incident, in the table.
const shownMembers = 20

func (r replayResult) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "INCIDENT\tSTATE\tROOT\tWORKLOADS\tSIGNALS\tONSET\tSCORE\tPLAYBOOK")
	for _, i := range r.Incidents {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%.1f\t%s\n", i.ID, i.State, plain(named(i.Root)), len(i.Members)+i.Unlisted, len(i.Signals)+i.Folded,
			i.Onset.UTC().Format(time.RFC3339), i.Score, cmp.Or(plain(i.Playbook), "none"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, i := range r.Incidents {
		i.describe(&b)
	}
	fmt.Fprintf(&b, "\n%d incidents from %d signals, %d of them told again and %d too late. The topology has %d resources and %d edges.\n",
		len(r.Incidents), r.Signals, r.Again, r.Late, r.Topology.Nodes, r.Topology.Edges)
	_, err := io.WriteString(w, b.String())
	return err
}

func (i replayedIncident) describe(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s  %s\n", i.ID, plain(named(i.Root)))
	for n, m := range i.Members {
		if n == shownMembers {
			fmt.Fprintf(b, "  and %d more workloads\n", len(i.Members)+i.Unlisted-n)
			break
		}
		fmt.Fprintf(b, "  %.1f  %s: %s, %d signals\n", m.Score, plain(named(m.Resource)), plain(strings.Join(m.Alerts, ", ")), m.Signals)
		for _, t := range m.Terms {
			fmt.Fprintf(b, "       %+.1f %s\n", t.Weight, plain(t.Why))
		}
	}
	if !i.HealedAt.IsZero() {
		fmt.Fprintf(b, "  healed by itself at %s\n", i.HealedAt.UTC().Format(time.RFC3339))
	}
	if i.Reopened > 0 {
		fmt.Fprintf(b, "  broke out again: %d times\n", i.Reopened)
	}
	if len(i.Linked) > 0 {
		fmt.Fprintf(b, "  hangs together with: %s\n", strings.Join(i.Linked, ", "))
	}
	hit := i.Blast
	fmt.Fprintf(b, "  hit: %d pods, %d services, %d dependents", hit.Pods, len(hit.Services), hit.Dependents)
	for _, l := range []struct {
		name string
		list []string
	}{{"tiers", hit.Tiers}, {"owners", hit.Owners}} {
		if len(l.list) > 0 {
			fmt.Fprintf(b, "; %s %s", l.name, plain(strings.Join(l.list, ", ")))
		}
	}
	fmt.Fprintf(b, "\n  playbook: %s\n", cmp.Or(plain(i.Playbook), "none fits"))
	for _, n := range i.NotTaken {
		fmt.Fprintf(b, "       not %s: %s\n", plain(n.Playbook), plain(n.Why))
	}
	fmt.Fprintf(b, "  judged by topology %s\n", i.Graph)
}

func named(r incident.Resource) string {
	switch {
	case r.IsZero():
		return "(no workload)"
	case r.Cluster == "":
		return r.String()
	}
	return r.String() + " in " + r.Cluster
}

// plain takes what could move the cursor out of a text from outside.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// bar shows how far a replay is, on a terminal only.
type bar struct {
	w    io.Writer
	size int64
	next time.Time
}

func newBar(w io.Writer, size int64) *bar {
	file, ok := w.(*os.File)
	if !ok || size == 0 {
		return &bar{}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &bar{}
	}
	return &bar{w: w, size: size}
}

func (b *bar) show(read int64) {
	if b.w == nil || time.Now().Before(b.next) {
		return
	}
	b.next = time.Now().Add(100 * time.Millisecond)
	const width = 40
	done := int(min(read, b.size) * width / b.size)
	fmt.Fprintf(b.w, "\r[%s%s] %3d %%", strings.Repeat("#", done), strings.Repeat(".", width-done), min(read, b.size)*100/b.size)
}

func (b *bar) clear() {
	if b.w != nil {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", 50))
	}
}
