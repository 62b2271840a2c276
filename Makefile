# Every target needs python3; uv is brought into .tools/ when it is not on PATH. `make help` lists them.
# make demo STORE=influx keeps the series in a real InfluxDB, which is built first where there is none;
# OPEN=1 opens the board in a browser also where no desktop is seen.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.PHONY: help demo up down logs test lint bench bench-worker bench-throughput bench-guard bench-latency bench-board bench-ingest bench-scale bench-recovery verify verify-kills verify-board verify-store verify-order verify-scenarios verify-storm verify-notifier verify-overload verify-fuzz verify-soak chaos chaos-quick audit servers schemas setup need-python need-java need-javac need-kafka need-influx need-wrk need-chromium need-compose

UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),$(CURDIR)/.tools/bin/uv)
RUN := $(UV) run --frozen --quiet
# The pytest run of one part: make test TESTS=tests/deploy
TESTS ?=
# What make up, down and logs run; podman has one, too: COMPOSE="podman compose"
COMPOSE ?= docker compose

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-16s %s\n", $$1, $$2 }'

demo: need-kafka $(if $(filter influx,$(STORE)),need-influx) setup  ## start everything and show a live city; Ctrl-C ends it
	@$(RUN) python -m services.simulator.demo $(if $(STORE),--store $(STORE)) $(if $(OPEN),--open)

up: need-python need-compose  ## start everything in containers, with secrets made on first use (docs/compose.md)
	@python3 -m deploy.secret_files
	@$(COMPOSE) up --detach --build --wait
	@python3 -m deploy.secret_files --how-to

down: need-compose  ## stop the containers; data and secrets stay
	@$(COMPOSE) down

logs: need-compose  ## follow the logs of the containers
	@$(COMPOSE) logs --follow --tail 100

test: need-java need-chromium need-influx setup  ## all tests, on the real servers and in a real browser
	@$(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=25 --durations-min=10 $(TESTS)

lint: setup  ## style, types, arrows of import, generated schemas, the compose file
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) pyright
	@$(RUN) lint-imports --no-logo
	@$(UV) tool run --quiet --from check-jsonschema==0.39.0 check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@if [ -f schemas/generate.py ]; then $(RUN) python -m schemas.generate --check; fi

bench: bench-throughput bench-worker  ## measure the worker, plain, in depth and beside others; writes docs/performance.md

bench-worker: need-kafka setup  ## the worker on plain readings and in depth, beside the bare pattern: ten minutes
	@$(RUN) python -m bench

# Only here: the other clients (group bench), Quix Streams in an environment of its own, and a Java compiler.
bench-throughput: need-kafka need-javac setup  ## Qingyu beside Faust, Quix, Kafka Streams and bare loops: under 100 minutes, goes on where it was stopped
	@$(RUN) --group bench python -m bench.throughput

bench-guard: need-kafka setup  ## the worker's CPU beside a bare loop's: fails when their ratio has doubled
	@$(RUN) python -m bench.guard

bench-latency: need-kafka need-influx setup  ## measure from accepted to api, alarm and webhook, at growing rates
	@$(RUN) python -m bench.latency

bench-board: need-kafka need-influx setup  ## measure from accepted to the board's page, on either store
	@$(RUN) python -m bench.board_latency

bench-ingest: need-kafka need-influx need-wrk setup  ## measure the gateway under a load generator, and the sink into both stores
	@$(RUN) python -m bench.ingest

bench-scale: need-kafka setup  ## the worker against meters, enterprises, history, late data, workers: 25 minutes, goes on where it was stopped
	@$(RUN) python -m bench.scale

bench-recovery: need-java need-influx setup  ## starts, restarts, and what comes back from the topics alone: 15 minutes, goes on where it was stopped
	@$(RUN) python -m bench.recovery

verify: verify-kills verify-board verify-store verify-order verify-scenarios verify-storm verify-notifier verify-overload verify-fuzz verify-soak chaos  ## all long proofs; their result files are committed

verify-kills: need-java setup  ## kill everything at every failpoint and count what was lost or doubled: nothing
	@$(RUN) python -m bench.verify_kills

verify-board: need-kafka need-chromium setup  ## open the board on a demo for hours of its time: nothing grows; takes its pictures
	@$(RUN) python -m bench.verify_board

verify-store: need-java need-influx setup  ## kill the sink and InfluxDB while a year goes through: every number equal to the double
	@$(RUN) python -m bench.verify_store

verify-order: need-java setup  ## the same facts in order and shuffled over killed workers: every number equal, and replay's
	@$(RUN) python -m bench.verify_order

verify-storm: setup  ## ten thousand alarms in a minute for ten recipients on one robot: its limit holds, none is missing
	@$(RUN) python -m bench.verify_storm

verify-notifier: need-java setup  ## kill the notifier at every failpoint during 2,000 alarms: everybody is told all, repeats have the same key
	@$(RUN) python -m bench.verify_notifier

chaos: need-java need-influx setup  ## 200 faults of every kind under load: nothing lost, nothing doubled; under 100 minutes, goes on where it was stopped
	@$(RUN) python -m bench.chaos $(if $(FAULTS),--faults $(FAULTS))

chaos-quick: need-java setup  ## ten faults of different kinds, as the tests do them
	@$(RUN) pytest -q tests/bench/test_chaos.py

verify-overload: need-kafka setup  ## offer the gateway ten times what it can take, with 10,000 connections: it sheds, keeps what it accepted, recovers
	@$(RUN) python -m bench.verify_overload

verify-soak: need-kafka need-influx setup  ## everything under load for two hours: memory, files, connections and what waits stay as they are
	@$(RUN) python -m bench.verify_soak

# Only here: the fuzzer (group fuzz).
verify-fuzz: need-kafka setup  ## fuzz all decoders for eleven minutes, then gateway and api by their OpenAPI: nothing undeclared escapes
	@$(RUN) --group fuzz python -m bench.verify_fuzz

audit: setup  ## hold the locked packages against the known vulnerabilities (asks the network)
	@mkdir -p var
	@$(UV) export --frozen --quiet --no-hashes --no-emit-project --output-file var/audited.txt >/dev/null
	@$(UV) tool run --quiet --from pip-audit==2.10.1 pip-audit --requirement var/audited.txt --no-deps --disable-pip

verify-scenarios: need-java setup  ## tell all stories of the field through gateway, Kafka, worker and store
	@$(RUN) qingyu scenario run tests/scenarios --live

servers: need-python  ## fetch what is cached outside the repository: the jars of Kafka, and InfluxDB, which is built
	@python3 -m deploy.local.jars fetch
	@python3 -m deploy.local.influxd fetch

schemas: setup  ## write the JSON Schemas of documents and messages into docs/
	@$(RUN) python -m schemas.generate

setup: $(UV)
	@$(UV) sync --frozen --quiet

need-python:
	@command -v python3 >/dev/null || { echo "error: python3 is not on PATH; Debian: apt-get install python3 python3-pip; macOS: brew install python" >&2; exit 1; }

need-compose:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "error: $(COMPOSE) is not there: install Docker with its compose plugin, or name another one by COMPOSE=; without containers: make demo" >&2; exit 1; }

# A broker that is there already (QINGYU_KAFKA) spares Java where nothing is killed.
need-kafka: $(if $(QINGYU_KAFKA),,need-java)

need-java: need-python
	@python3 -m deploy.local.jars check

need-javac: need-python
	@python3 -m bench.contenders.kafka_streams check

# Building it takes minutes, once a machine: before the tests, which are each limited in time.
need-influx: need-python
	@python3 -m deploy.local.influxd fetch >/dev/null

need-wrk: need-python
	@python3 -m bench.wrk

need-chromium:
	@command -v chromium >/dev/null || { echo "error: chromium is not on PATH, and tests look at the board in it; Debian: apt-get install chromium fonts-noto-cjk" >&2; exit 1; }

# --target works without the venv module and beside a system Python that refuses other installs.
$(CURDIR)/.tools/bin/uv: | need-python
	@python3 -m pip --version >/dev/null 2>&1 || { echo "error: python3 has no pip; Debian: apt-get install python3-pip; macOS: python3 -m ensurepip" >&2; exit 1; }
	@python3 -m pip install --quiet --disable-pip-version-check --upgrade --target .tools uv==$(UV_VERSION)
