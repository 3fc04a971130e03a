// Package memory remembers how remediations ended, and finds the ones that were most like an incident. Advice only: it is
// asked with a deadline, and when it is away nothing waits and nothing is lost but the advice.
//
// Two stores hold it: Qdrant, and an SQLite file of its own. Both find the same: what is alike is decided by the words of an
// incident (see words.go) and the cosine of the angle between two such vectors, which no model computes.
package memory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/cortexops/cortexops/pipeline/incident"
)

const (
	patience = 2 * time.Second // with the store
	most     = 3               // cases in one advice
	alike    = 0.5             // the least score of what is worth telling
	maxQuote = 120             // runes of what is quoted of a case
)

// Case is one remediation that ended.
type Case struct {
	Incident string         `json:"incident"`
	Attempt  int            `json:"attempt"`
	Root     string         `json:"root"`
	Playbook string         `json:"playbook"`
	Phase    incident.Phase `json:"phase"`  // the ending
	Change   string         `json:"change"` // URL of the pull request
	At       time.Time      `json:"at"`
	Words    []string       `json:"words"` // of the incident, with repetition
}

// id is the same for a case that is remembered again.
func (c Case) id() uint64 {
	sum := sha256.Sum256([]byte(incident.Key{Incident: c.Incident, Attempt: c.Attempt}.Workflow()))
	return binary.BigEndian.Uint64(sum[:]) >> 1 // SQLite's are signed
}

// Found is a case, and how alike its incident is: from 0 to 1.
type Found struct {
	Case
	Score float64
}

// Store keeps cases. Put replaces a case with the same incident and attempt; Near lists the k most alike, the best first.
type Store interface {
	Put(ctx context.Context, c Case) error
	Near(ctx context.Context, words []string, k int) ([]Found, error)
	Ping(ctx context.Context) error
	Close() error
}

// Memory is safe for concurrent use.
type Memory struct {
	Store
	patience time.Duration
	log      *slog.Logger
	asked    *prometheus.CounterVec
}

// New asks nothing yet. A nil r registers nowhere.
func New(s Store, r prometheus.Registerer, log *slog.Logger) *Memory {
	return &Memory{Store: s, patience: patience, log: log, asked: promauto.With(r).NewCounterVec(prometheus.CounterOpts{
		Name: "cortexops_memory_requests_total", Help: "What the memory of incidents was asked, by operation and result."}, []string{"operation", "result"})}
}

// Recall says in sentences what became of incidents like this one. It never fails: without the store it has nothing to say.
func (m *Memory) Recall(ctx context.Context, inc incident.Incident) []string {
	ctx, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	found, err := m.Near(ctx, Words(inc), most+1)
	if err != nil {
		m.asked.WithLabelValues("recall", "failed").Inc()
		m.log.WarnContext(ctx, "no advice from the memory of incidents", "incident", inc.ID, "error", err)
		return nil
	}
	var said []string
	for _, f := range found {
		if f.Incident == inc.ID || f.Score < alike || len(said) == most {
			continue
		}
		said = append(said, fmt.Sprintf("Seen before: incident %s of %s, playbook %s, %s (%d %% alike, %s).", quote(f.Incident), quote(f.Root),
			quote(f.Playbook), quote(string(f.Phase)), int(100*f.Score+0.5), quote(f.Change)))
	}
	result := "found"
	if len(said) == 0 {
		result = "none"
	}
	m.asked.WithLabelValues("recall", result).Inc()
	return said
}

// Remember how a remediation ended. It never fails: what cannot be kept is not worth a wait.
func (m *Memory) Remember(ctx context.Context, p incident.Proposal, c incident.Change, o incident.Outcome) {
	ctx, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	err := m.Put(ctx, Case{Incident: p.Key.Incident, Attempt: p.Key.Attempt, Root: p.Incident.Root.String(), Playbook: p.Playbook.Name,
		Phase: o.Phase, Change: c.URL, At: time.Now().UTC(), Words: Words(p.Incident)})
	result := "kept"
	if err != nil {
		result = "failed"
		m.log.WarnContext(ctx, "the ending is not remembered", "incident", p.Key.Incident, "error", err)
	}
	m.asked.WithLabelValues("remember", result).Inc()
}

// quote makes what a store returned one short line: others may write to it.
func quote(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))), " ")
	if runes := []rune(s); len(runes) > maxQuote {
		return string(runes[:maxQuote-1]) + "…"
	}
	return s
}
