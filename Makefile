# One set of flags for everything that is built here, so that the product, the sandbox and the tests share one build
# cache. Optimising and debug information are a third of a first build, and nobody needs them here; benchmarks do. SQLite,
# which Temporal's state and the ledger are in, is worth it: three times as quick, for 15 s. Without cgo no C compiler is
# needed, and Go's own linker is the quicker one.
YOURS := $(GOFLAGS)
export GOFLAGS := $(YOURS) "-gcflags=all=-N -l -dwarf=false" "-gcflags=modernc.org/...=-dwarf=false" "-ldflags=-s -w"
export CGO_ENABLED := 0
SANDBOX := bin/sandbox
BENCH ?= .

.PHONY: help demo demo-failure sandbox test test-repo operations generate check bench fmt backup restore
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(SANDBOX): FORCE
	@cmd/sandbox/build.sh

.PHONY: FORCE
FORCE:

demo: $(SANDBOX) ## Build all, start the embedded stack and tell three incidents from alert to verdict (AUTO=1: approve by itself)
	@$(SANDBOX) demo $(if $(filter 1,$(AUTO)),--auto)

demo-failure: $(SANDBOX) ## Break things in three scenarios, and count from outside that everything was done once
	@$(SANDBOX) demo-failure

sandbox: $(SANDBOX) ## Start the embedded stack and stay, printing what to try
	@$(SANDBOX) up

test: $(SANDBOX) ## Test both modules on the embedded stack, the end-to-end stories included
	@$(SANDBOX) test

test-repo: ## Propose a change of image, memory and replicas of every workload in a repository (CORTEXOPS_REPO=/path)
	@go test -count=1 -v -run '^TestRepository$$' ./gitops/locate ./gitops/chain

operations: $(SANDBOX) ## Break things, and print what each section of docs/operations.md is worth
	@$(SANDBOX) operations

generate: ## Write the dashboard, the alert rules and the schema of the policies' input anew, from cmd/gen
	go run ./cmd/gen

check: ## Formatting, vet, the linters, the dependency rule among them, and what a workflow must not do
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'not formatted: run make fmt'; exit 1; }
	go vet ./...
	cd cmd/sandbox && go vet ./...
	GOBIN="$(CURDIR)/bin" go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v0.316.0
	bin/promtool check rules manifests/prometheus/rules.yaml
	bin/promtool test rules manifests/prometheus/rules_test.yaml
	go run go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0 ./pipeline/remediation
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.6.2 run ./...

bench: export GOFLAGS := $(YOURS)
bench: ## Compare with the tools that people have, into out/bench.jsonl (BENCH=gitops), or run Go benchmarks (BENCH=regexp)
	@go run ./cmd/bench '$(BENCH)'

backup: ## Back up the ledger, Temporal's databases and the memory (DEST=folder, CONFIG=cortexops.yaml)
	go run ./cmd/cortexops backup "$(or $(DEST),$(error say where to: make backup DEST=folder))" --config "$(or $(CONFIG),cortexops.yaml)"

restore: ## Put the newest of a backup back, with CortexOps and Temporal stopped (FROM=folder, CONFIG=cortexops.yaml)
	go run ./cmd/cortexops restore "$(or $(FROM),$(error say where from: make restore FROM=folder))" --config "$(or $(CONFIG),cortexops.yaml)"

fmt: ## Format the code
	gofmt -w .
