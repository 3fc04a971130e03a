package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/cortexops/cortexops/gitops/forge"
	"github.com/cortexops/cortexops/gitops/helm"
	"github.com/cortexops/cortexops/gitops/repo"
	"github.com/cortexops/cortexops/pipeline/advise"
	"github.com/cortexops/cortexops/pipeline/advise/memory"
	"github.com/cortexops/cortexops/pipeline/incident"
	"github.com/cortexops/cortexops/pipeline/ledger"
	"github.com/cortexops/cortexops/pipeline/notify"
	"github.com/cortexops/cortexops/pipeline/plan"
	"github.com/cortexops/cortexops/pipeline/remediation"
	"github.com/cortexops/cortexops/pipeline/verify"
	"github.com/cortexops/cortexops/pipeline/writeup"
	"github.com/cortexops/cortexops/playbooks"
	"github.com/cortexops/cortexops/policies"
)

// outside is everything that remediation reads and writes.
type outside struct {
	kube       *rest.Config
	cluster    clusterOf
	tool       remediation.Tool // nil: what is merged is applied by us
	forge      *forge.Forge
	repo       *repo.Repo
	prometheus *verify.Verifier
	policy     *policies.Live
	playbooks  []playbooks.Playbook
	llm        *advise.LLM       // nil: heuristics advise
	slack      *notify.Slack     // nil: nobody is told
	pager      *notify.PagerDuty // nil: nobody is called
	memory     *memory.Memory
	charts     *helm.Renderer
	near       func(ctx context.Context, root incident.Resource) []incident.Resource
}

// advise is the model's word, or that of the heuristics, and what became of incidents like this one.
func (o outside) advise(ctx context.Context, inc incident.Incident) incident.Advisory {
	advice := advise.Heuristics(inc)
	if o.llm != nil {
		advice = o.llm.Advise(ctx, inc)
	}
	advice.Evidence = append(advice.Evidence, o.memory.Recall(ctx, inc)...)
	return advice
}

func connect(ctx context.Context, c Config) (o outside, err error) {
	if o.kube, err = kubernetes(c.Kubernetes.Kubeconfig, c.Kubernetes.Context); err != nil {
		return o, err
	}
	o.forge, err = forge.New(forge.Options{API: c.Forge.API, Token: c.secrets.forgeToken, Owner: c.Forge.Owner, Repo: c.Forge.Repo})
	if err != nil {
		return o, err
	}
	signer, err := c.signer()
	if err != nil {
		return o, err
	}
	o.repo, err = repo.Open(ctx, repo.Options{URL: c.Git.URL, Dir: c.Git.Directory, User: "x-access-token", Token: c.secrets.forgeToken,
		Author: c.author(), Signer: signer})
	if err != nil {
		return o, err
	}
	if o.cluster, o.tool, err = c.deliverer(o.kube, o.repo); err != nil {
		return o, err
	}
	if err := built(o.repo, c.Forge.Base, c.Overlays); err != nil {
		return o, err
	}
	if o.prometheus, err = verify.New(c.Prometheus.URL, nil); err != nil {
		return o, err
	}
	if c.LLM.BaseURL != "" {
		o.llm, err = advise.NewLLM(advise.LLMOptions{BaseURL: c.LLM.BaseURL, Key: c.secrets.llmKey, Model: c.LLM.Model, Deadline: c.LLM.Deadline,
			Metrics: prometheus.DefaultRegisterer, Log: slog.Default()})
		if err != nil {
			return o, err
		}
	}
	if c.Slack.Channel != "" {
		if o.slack, err = slackClient(c); err != nil {
			return o, err
		}
	}
	if o.pager, err = c.pager(); err != nil {
		return o, err
	}
	if o.memory, err = remembering(c); err != nil {
		return o, err
	}
	if o.policy, err = c.Policies.open(ctx); err != nil {
		return o, err
	}
	o.playbooks, err = playbooks.Load(folder(c.Playbooks.Directory, playbooks.Catalogue()))
	return o, inFolder("playbooks.directory", c.Playbooks.Directory, err)
}

// built fails where the branch that is deployed has no kustomization at an overlay's path.
func built(r *repo.Repo, base string, overlays []string) error {
	sha, err := r.Head(base)
	if err != nil {
		return fmt.Errorf("forge.base: %w", err)
	}
	files, err := r.Snapshot(sha)
	if err != nil {
		return err
	}
	for _, overlay := range overlays {
		if !slices.ContainsFunc(konfig.RecognizedKustomizationFileNames(), func(name string) bool {
			_, err := files.ReadFile(path.Join(overlay, name))
			return err == nil
		}) {
			return fmt.Errorf("overlays: %s has no kustomization at %q: name folders of the repository that hold one", base, overlay)
		}
	}
	return nil
}

// remembering is Qdrant, or a file.
func remembering(c Config) (*memory.Memory, error) {
	var store memory.Store
	var err error
	if c.Memory.QdrantURL != "" {
		store, err = memory.NewQdrant(c.Memory.QdrantURL, c.secrets.qdrantKey)
	} else {
		store, err = memory.NewSQLite(c.memoryFile())
	}
	if err != nil {
		return nil, err
	}
	return memory.New(store, prometheus.DefaultRegisterer, slog.Default()), nil
}

// branch of a pull request.
func (o outside) branch(ctx context.Context, number int) (string, error) {
	p, err := o.forge.Get(ctx, number)
	return p.HeadRef, err
}

// acted reads from the ledger whether an attempt acted on its merge.
func acted(book *ledger.Ledger) func(context.Context, incident.Key) (bool, error) {
	return func(ctx context.Context, key incident.Key) (bool, error) {
		rows, err := book.Entries(ctx, key.Incident)
		return slices.ContainsFunc(rows, func(e incident.Entry) bool {
			return e.Attempt == key.Attempt && (e.Phase == incident.Applying || e.Step == "merge" && e.Kind == incident.Done)
		}), err
	}
}

// followed says what takes the place of a pull request.
func (o outside) followed(ctx context.Context, number int, next incident.Key, none string) error {
	return o.forge.Comment(ctx, number, "followed", writeup.Writer{}.Followed(next, none))
}

// shut closes a pull request, unless it is merged.
func (o outside) shut(ctx context.Context, number int) (merged bool, err error) {
	p, err := o.forge.Get(ctx, number)
	if err != nil || p.Merged {
		return p.Merged, err
	}
	if err := o.forge.Close(ctx, number); err != nil {
		return false, err
	}
	p, err = o.forge.Get(ctx, number) // somebody may have been quicker
	return p.Merged, err
}

func folder(dir string, builtin fs.FS) fs.FS {
	if dir == "" {
		return builtin
	}
	return os.DirFS(dir)
}

// inFolder says which folder of the configuration the error is about.
func inFolder(key, dir string, err error) error {
	if err == nil || dir == "" {
		return err
	}
	return fmt.Errorf("%s %s: %w", key, dir, err)
}

// kubernetes reads the worker's own identity.
func kubernetes(kubeconfig, context string) (*rest.Config, error) {
	if kubeconfig == "" && context != "" {
		return nil, fmt.Errorf("kubernetes.context is %q, and there is no kubeconfig that it could be of: set kubernetes.kubeconfig, or remove it", context)
	}
	if kubeconfig == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, errors.New("there is no service account, since this is no pod: set kubernetes.kubeconfig")
	}
	rc, err := identified(kubeconfig, context)
	if err != nil {
		return nil, fmt.Errorf("the worker's kubeconfig %q: %w", kubeconfig, err)
	}
	rc.UserAgent = "cortexops"
	return rc, nil
}

// identified is as whom a kubeconfig speaks to which cluster; without one it is the pod's service account.
func identified(kubeconfig, context string) (*rest.Config, error) {
	if kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: context}).ClientConfig()
}

func activities(c Config, book *ledger.Ledger, o outside, later func(context.Context, remediation.Lapse, time.Duration) error, refused *remediation.Refused) remediation.Activities {
	writer := writeup.Writer{}
	where := remediation.Repository{Name: c.Forge.Owner + "/" + c.Forge.Repo, Base: c.Forge.Base,
		Author: c.author()}
	delivered := ways{c.Overlays, o.charts}
	planner := &plan.Planner{Playbooks: o.playbooks, Overlays: c.Overlays}
	rivals := &remediation.Rivals{Forge: o.forge, Base: c.Forge.Base, Bot: c.Forge.User}
	applier := &remediation.Applier{Book: book, Repo: o.repo, Base: c.Forge.Base, Render: delivered.render, Cluster: o.cluster, Tool: o.tool, Rollouts: o.cluster}
	return remediation.Activities{
		Planner:    &remediation.Planner{Book: book, Repo: o.repo, Base: c.Forge.Base, Make: c.scoped(planning{planner}), Way: delivered.open, Live: o.live, Advise: o.advise, Claims: book.Claims(), History: book.History, Tool: c.Delivery.tool(), Rivals: rivals},
		Gatekeeper: &remediation.Gatekeeper{Book: book, Policy: o.policy, Brakes: book.Brakes(), Bot: c.Forge.User, Freezes: c.Policies.Freezes, History: book.History},
		DryRunner:  &remediation.DryRunner{Book: book, Cluster: o.cluster},
		Proposer:   &remediation.Proposer{Book: book, Repo: o.repo, Forge: o.forge, Chat: o.chat(), Writer: writer, Repository: where},
		Approver:   &remediation.Approver{Book: book, Forge: o.forge, Rule: judging(c.Forge.User), Refused: refused},
		Merger:     &remediation.Merger{Book: book, Forge: o.forge, Chat: o.chat(), Writer: writer, Rule: judging(c.Forge.User), Still: applier.Still, Rivals: rivals},
		Applier:    applier,
		Watcher:    &remediation.Watcher{Book: book, Metrics: watching{o.prometheus}, Every: time.Second, Strangers: c.strangers(book, o)},
		Reverter:   &remediation.Reverter{Book: book, Repo: o.repo, Forge: o.forge, Writer: writer, Repository: where, Course: o.prometheus.Course},
		Asker:      &remediation.Asker{Book: book, Forge: o.forge, Chat: o.chat(), Writer: writer, Bot: c.Forge.User},
		Adopter:    &remediation.Adopter{Book: book, Entries: book.Entries, Forge: o.forge, Claims: book.Claims(), Repository: where, Tool: c.Delivery.tool()},
		Closer:     &remediation.Closer{Book: book, Repo: o.repo, Forge: o.forge, Chat: o.chat(), Writer: writer, Claims: book.Claims(), Remember: o.memory.Remember, Refused: refused, Page: c.paging(book, o.pager), Later: later},
		Restorer:   &remediation.Restorer{Book: book, Chat: o.chat(), Claims: book.Claims(), Entries: book.Entries, Repo: o.repo, Forge: o.forge, Writer: writer, Repository: where, Render: delivered.render, Usage: o.prometheus.Usage, Every: time.Minute},
	}
}

// planning is plan as the activity of PLANNING uses it.
type planning struct{ *plan.Planner }

func (p planning) Propose(ctx context.Context, r remediation.PlanRequest) (incident.Proposal, remediation.Wanted, error) {
	proposal, wanted, err := p.Planner.Propose(ctx, plan.Request(r))
	return proposal, remediation.Wanted(wanted), err
}

// watching is verify as the activity of VERIFYING uses it.
type watching struct{ prometheus *verify.Verifier }

func (w watching) Look(ctx context.Context, state json.RawMessage, window time.Duration, checks []incident.Check) (json.RawMessage, *incident.Verdict, error) {
	now := verify.Window{Length: window}
	if state != nil {
		if err := json.Unmarshal(state, &now); err != nil {
			return nil, nil, fmt.Errorf("read the state of a verification: %w", err)
		}
	}
	seen, err := w.prometheus.Sample(ctx, checks)
	if err != nil {
		return nil, nil, err
	}
	next, verdict := verify.Step(now, checks, seen, time.Now())
	data, err := json.Marshal(next)
	return data, verdict, err
}
