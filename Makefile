# What people and CI call. `make help` lists it. Each target installs what it lacks (deploy/dev/setup) and can be run again.

CARGO ?= cargo
SHELL := /bin/sh
# Programs that setup puts beside the project.
export PATH := $(CURDIR)/.tools/npm/node_modules/.bin:$(PATH)

.PHONY: help
help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: build
build: ## Build `exeat` and `exeat-sandboxd` for development
	$(CARGO) build --workspace

.PHONY: demo
demo: ## Show the main job, end to end, with real parts, and check each step
	deploy/dev/setup demo
	$(CARGO) build -p exeat -p exeat-sandboxd
	$(CARGO) run -q -p exeat -- demo

.PHONY: test
test: ## Format, lints and every test; skips are counted at the end
	deploy/dev/setup test
	$(CARGO) fmt --all --check
	$(CARGO) build --workspace
	tests/run
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: bench
bench: ## Measure speed beside a peer, in one run; figures go to target/bench/results.jsonl
	deploy/dev/setup bench
	$(CARGO) build --release -p exeat -p exeat-sandboxd
	$(CARGO) run -q --release -p exeat-bench -- keepalive
	$(CARGO) run -q --release -p exeat-bench -- sandbox

.PHONY: cluster-up
cluster-up: ## Start a real Kubernetes of one node on this machine (root; builds its parts the first time)
	deploy/dev/cluster/run up

.PHONY: cluster-down
cluster-down: ## End it and leave nothing behind
	deploy/dev/cluster/run down

.PHONY: test-cluster
test-cluster: ## Run the tests that need a real Kubernetes, on the one of `cluster-up` or the one that KUBECONFIG names
	deploy/dev/setup test
	deploy/dev/setup image
	deploy/dev/cluster/run up
	deploy/dev/cluster/run image
	deploy/images/build --debug
	tests/cluster/run

.PHONY: bench-cluster
bench-cluster: ## Measure claims beside Agent Sandbox's own controller on that cluster; figures go to the same file
	deploy/dev/cluster/run up
	deploy/dev/cluster/run image
	$(CARGO) build --release -p exeat
	deploy/dev/cluster/run kwok up 10
	eval "$$(deploy/dev/cluster/run env)" && kubectl apply --server-side --force-conflicts -f deploy/crds >/dev/null && \
		$(CARGO) run -q --release -p exeat-bench -- cluster
	deploy/dev/cluster/run kwok down

.PHONY: image
image: ## Build the image of all roles as an OCI archive in target/, without a registry
	deploy/dev/setup image
	deploy/images/build

.PHONY: fuzz
fuzz: ## Run every fuzz target for a minute (needs `cargo install cargo-fuzz`)
	tests/fuzz/run 60

.PHONY: deny
deny: ## Check licences, bans and advisories of dependencies (needs `cargo install cargo-deny`)
	$(CARGO) deny check

.PHONY: generate
generate: ## Write the tables anew that are generated from others' descriptions
	integrations/github/generate
	deploy/manifests/generate

.PHONY: runsc
runsc: ## Install gVisor's runsc where it is missing
	deploy/dev/setup demo

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
