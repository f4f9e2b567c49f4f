# make build   everything, into build/
# make demo    three log types from a bucket into a real OpenSearch, in a minute
# make test    every test; what could not run on this machine is listed at the end
# make fuzz    every fuzz target for FUZZTIME (5s)
# make chaos   everything fails at random while records are loaded, then they are counted (FAULTS=100 SEED=n)
# make race    every test with the race detector, and a short chaos; what Fluent Bit loads is built without it
# make reload  200 reloads and 200 stops of the libraries in the test host (ROUNDS=200)
# make bench   how fast it is: a table, and build/bench.json
# make lint    gofmt, vet, staticcheck, the shell scripts
# make packages  build, and a deb and an rpm of it in build/ (VERSION=1.2.3)
# make clean   stops the services and removes build/
GO ?= go

.PHONY: build demo test fuzz chaos race reload bench lint clean packages packages-only
build: plugins test-host build/fluent-siem

include plugins/fluentbit/build.mk

.PHONY: build/fluent-siem # go build knows best what has changed
build/fluent-siem:
	$(GO) build -trimpath -ldflags "-s -w" -o $@ ./sidecar

demo: build
	@$(GO) run ./test/demo

# Only what this run started is stopped at its end, and only if no other run uses it. -count=1: a cached result would not say what was not run.
test: build
	@running=$$(test/services/services env); test/services/services start >/dev/null || true; \
	rm -f build/not-run; NOT_RUN=$(CURDIR)/build/not-run $(GO) test -count=1 -timeout 20m $(TESTFLAGS) ./...; status=$$?; \
	[ -n "$$running" ] || test/services/services stop; \
	if [ -s build/not-run ]; then echo "Not run on this machine:"; sort -u build/not-run | sed 's/^/  /'; else echo "Every test ran."; fi; \
	exit $$status

FUZZTIME ?= 5s
fuzz:
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ {f[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, f[i]; n = 0}' | \
	while read -r package target; do \
		echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" || exit 1; \
	done

FAULTS ?= 100
SEED ?= 0
chaos:
	@$(GO) run ./test/chaos -faults $(FAULTS) -seed $(SEED)

race: build
	$(GO) test -race -count=1 -timeout 40m ./...
	$(GO) run -race ./test/chaos -faults 60 -seed 155 -memory 1024

ROUNDS ?= 200
reload:
	$(GO) test -count=1 -timeout 20m -run 'TestReloadsUnderLoad|TestStopsAtAnyMoment' -v ./test/host -args -rounds $(ROUNDS)

bench: build
	@$(GO) run ./test/bench
	@$(GO) test -run '^$$' -bench 'BenchmarkEvent$$' ./filters/enrich

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SCRIPTS = .ci/run test/services/services $(wildcard conf/deploy/*/*.sh) $(wildcard test/*/*.sh test/*/*/*.sh)
lint:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "not formatted by gofmt:" $$files; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) -checks inherit,ST1000 ./...
	@for f in $(SCRIPTS); do bash -n $$f || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck -S warning $(SCRIPTS); else echo "shellcheck is not installed: shell scripts were only parsed"; fi

NFPM = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
VERSION ?= 0.0.0
ARCH ?= $(shell $(GO) env GOARCH)
packages: build packages-only
packages-only: # of what is in build/ already
	@for p in deb rpm; do VERSION=$(VERSION) ARCH=$(ARCH) $(GO) run $(NFPM) package -f conf/deploy/packages/nfpm.yaml -p $$p -t build/ || exit 1; done

clean:
	test/services/services stop
	rm -rf build
