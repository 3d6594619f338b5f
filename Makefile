# Everything a newcomer needs: `make demo` and `make test`. Each target installs what it needs, once.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
PEERS := .venv/.peers
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
SYSTEM := batches bounds chains costs ensembles pipelines producer queues shutdown traces
ON_POSTGRESQL := tests/db $(patsubst %,tests/system/test_%.py,$(SYSTEM))
ON_RABBITMQ := $(patsubst %,tests/system/test_%.py,bounds pipelines poison queues shutdown)

STACKS := faults-on-valkey-sqlite faults-on-rabbitmq-postgres

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## run real questions and documents through five pipelines, emulated: no API key, no cost
	$(BIN)/mirepoix demo

test: $(READY) ## run the tests, with real brokers, workers and databases
	$(PYTEST) -m "not long"

test-long: $(READY) ## run those that watch, replay and serve a house of real processes (5 minutes)
	$(PYTEST) -m long

test-quick: $(READY) ## run the quick tests: all pure ones and the core of the system tests
	$(PYTEST) -m "(not system or quick) and not slow and not long"

test-services: $(READY) ## run the tests that use services on PostgreSQL with redis-server and RabbitMQ, which it installs and starts
	scripts/with-services $(PYTEST) -m "not embedded" $(ON_POSTGRESQL)
	scripts/with-services --rabbitmq $(PYTEST) -m "not embedded and not redis_broker" $(ON_RABBITMQ)

test-web: $(READY) ## run the tests of the pages in a real browser, Chromium, which it installs
	scripts/with-chromium $(BIN)/pytest tests/browser

screenshots: $(READY) ## write docs/images from the pages of a house that has just worked
	scripts/with-chromium $(BIN)/python -m tests.browser.screenshots

faults: $(READY) ## do dreadful things to a running house, on both stacks, and audit ledger and bill (10 minutes)
	$(MAKE) -j2 --output-sync=target $(STACKS)

$(STACKS): faults-on-%: $(READY)
	$(BIN)/python -m tests.faults --stack $*

soak: $(READY) ## the same at random for as long as asked: make soak MINUTES=30 SEED=7
	$(BIN)/python -m tests.faults --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

bench: $(PEERS) ## measure throughput, latency, growth and scale beside others, on PostgreSQL and redis-server, which it installs (a quarter of an hour)
	scripts/with-services $(BIN)/python -m bench.run

bench-quick: $(PEERS) ## the same with fewer calls, in less than two minutes
	scripts/with-services $(BIN)/python -m bench.run --quick

bench-memory: $(READY) ## watch the memory of one worker over 200,000 calls
	$(BIN)/python -m bench.memory

performance: $(READY) ## write the figures and plots of docs/performance.md anew from the latest run of `make bench`
	$(BIN)/python -m bench.report

bench-case-study: $(READY) ## compare cost, latency and quality of a strong model alone with those of an orchestrated mix
	$(BIN)/python -m bench.case_study

bench-routing: $(READY) ## compare ways to choose a model on recorded outcomes: make bench-routing DATA=dir
	$(BIN)/mirepoix bench routing $(addprefix --data ,$(wildcard $(DATA)/*.jsonl $(DATA)/*.jsonl.gz)) --plots $(or $(PLOTS),.mirepoix/plots) $(OPTIONS)

routing-figures: $(READY) ## write the figures of docs/routing.md anew from recorded outcomes (a quarter of an hour): make routing-figures DATA=dir
	$(MAKE) bench-routing DATA=$(DATA) PLOTS=.mirepoix/plots OPTIONS="--into docs/routing.md"
	cp .mirepoix/plots/zeroeval-cost-quality.png docs/images/routing-zeroeval.png

bench-web: $(READY) ## measure every page on a ledger of a million attempts (2 minutes)
	$(BIN)/python -m bench.web

patterns: $(READY) ## write docs/patterns.md from real runs of examples/patterns
	$(BIN)/python -m tests.system.patterns

lint: $(READY) ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(READY) ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

lock: $(READY) ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --group dev --extra documents --extra learned --extra otel --extra parquet --extra semantic --extra train --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url --upgrade -q -o requirements.lock
	$(BIN)/uv pip compile --group peers --constraint requirements.lock --universal --python-version 3.11 --generate-hashes \
		--no-header --no-emit-index-url --upgrade -q -o bench/peers.lock

migration: $(READY) ## write a migration for changed tables: make migration MESSAGE="what changes"
	$(BIN)/python -m db.migrations "$(MESSAGE)"

clean: ## remove what was built, installed and run
	rm -rf .venv dist .mirepoix .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Hashes are checked by `uv pip sync`; uv itself is pinned here.
$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Mirepoix needs Python 3.11 or newer; set PYTHON=python3.x."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check "uv==$(UV_VERSION)"
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	touch $(READY)

# Whom `make bench` measures beside us: nobody else needs them. The constraint keeps what is shared as it is.
$(PEERS): $(READY) bench/peers.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --compile-bytecode -r bench/peers.lock
	touch $(PEERS)

.PHONY: help demo test test-long test-quick test-services test-web screenshots faults $(STACKS) soak bench bench-quick bench-memory performance bench-case-study bench-routing routing-figures bench-web patterns lint fmt build lock migration clean
