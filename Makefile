# Everything that one does here. `make help` lists it; .ci/run does the same and more on a clean machine.
SHELL := bash -o pipefail
LINT  := go tool -modfile=build/tools/lint.mod golangci-lint
TOOL  := go tool -modfile=build/tools/tools.mod
COUNT ?= 6
ROUNDS ?= 10

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start the service on http://127.0.0.1:8000/ with its data in ./data
	go run ./cmd/chatkitd serve

test: ## All Go tests, as README has them
	go test ./...

check: lint ## What must pass before a change is handed in: lint, tests with the race detector, tidy modules, pages that are built
	go test -race -shuffle=on ./...
	go mod tidy -diff

lint: ## Formatting, vet and the linters, with the arrows between packages
	$(LINT) fmt --diff
	go vet ./...
	$(LINT) run

fmt: ## Format the code
	$(LINT) fmt

bench: ## Go benchmarks, COUNT times each, with medians
	mkdir -p bin && go test -run '^$$' -bench . -benchmem -count $(COUNT) ./... | tee bin/bench.txt
	$(TOOL) benchstat bin/bench.txt

web: ## Build the pages into web/dist, which is committed
	cd web && npm ci --no-audit --no-fund && npm run build

build: ## The program, as bin/chatkitd
	CGO_ENABLED=0 go build -trimpath -o bin/chatkitd ./cmd/chatkitd

e2e: build ## A person's way through the page in Chromium, and the program killed under load
	cd web && npm ci --no-audit --no-fund && CHATKITD_BIN=$(CURDIR)/bin/chatkitd npm run e2e
	CHATKITD_TEST_CRASH_ROUNDS=$(ROUNDS) go test -count=1 -run 'Kill' ./cmd/chatkitd ./internal/embedded

conformance: ## Everything the program sends, judged by the reference's own types (needs Python 3.11)
	conformance/run.sh

.PHONY: help run test check lint fmt bench web build e2e conformance
.DELETE_ON_ERROR:
