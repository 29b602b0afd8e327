SHELL := /bin/bash -euo pipefail
PYTHON ?= python3
BIN := .venv/bin
# the files of tests lie in memory where there is room: nothing in them outlives the power
MEMORY := $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 { print "/dev/shm" }')
PIP := $(BIN)/pip --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-package setuptools \
    --custom-compile-command "make lock"
PINNED := --no-deps --require-hashes -r requirements.lock
# whatever this shell says: each of many processes would compile all that it imports
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test test-slow test-faults test-kafka test-image test-stories test-rolling test-alerts test-dashboard check lock bench

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready ## the whole service on sample data         ARGS="--exit --json"
	@$(BIN)/comms demo $(ARGS)

up: .venv/ready ## server, worker, mail catcher, API; your data   ARGS="--json"
	@$(BIN)/comms up $(ARGS)

test: .venv/ready ## the tests, on SQLite and PostgreSQL          ARGS="-k slots"
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest -n auto --dist loadgroup $(ARGS)

test-slow: .venv/ready ## kills, floods, a made-up client, Prefect's story; CI runs it too
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest --slow -m slow -n auto --dist loadgroup $(ARGS)

test-faults: .venv/ready ## kills, cuts and lies; prints what held      ARGS="-k postgres"
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest tests/faults --whole -n auto --dist loadgroup $(ARGS)

test-kafka: .venv/ready ## the tests of events against Apache Kafka  needs Java 17 and Maven
	@$(BIN)/python deployments/kafka/apache_kafka.py fetch
	@COMMS_TEST_KAFKA=apache PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest --slow tests/kafka tests/flows/test_matching_story.py \
	    tests/services/test_relaying.py tests/gateways/test_kafka_source.py $(ARGS)

test-image: .venv/ready ## the steps of the Dockerfile, run         needs Linux, root and the package index
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest tests/deployments/rehearse_image.py $(ARGS)

test-stories: .venv/ready ## compose's commands as processes; canaries; spans; deploying
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest --whole tests/deployments/test_compose_story.py tests/flows/test_canaries.py \
	    tests/flows/test_deploying.py tests/otlp $(ARGS)

test-rolling: .venv/ready ## restart every part under load, 20 times
	@COMMS_TEST_ROUNDS=20 PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest --whole tests/deployments/test_rolling_restart.py $(ARGS)

test-alerts: ## every alert fires and does not, by promtool   needs Debian's prometheus
	@command -v promtool > /dev/null || { echo "promtool is missing; it is part of: apt-get install prometheus" >&2; exit 1; }
	@promtool test rules deployments/observability/alerts_test.yml

test-dashboard: .venv/ready ## its queries and the alerts, by Prometheus    needs Debian's prometheus
	@command -v prometheus > /dev/null || { echo "prometheus is missing; it is a package of Debian: apt-get install prometheus" >&2; exit 1; }
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest --whole tests/deployments/test_dashboard.py $(ARGS)

check: .venv/ready ## format, lint, types, import contracts, generated files
	@$(BIN)/ruff format --check --quiet . || { echo "fix with: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/comms docs check

lock: .venv/ready ## renew the three locks from pyproject.toml: all, the image's, what builds it
	@$(COMPILE) --upgrade --all-extras -o requirements.lock pyproject.toml
	@$(COMPILE) --upgrade --no-annotate -c requirements.lock --extra docker --extra kubernetes --extra otel \
	    -o requirements-runtime.lock pyproject.toml
	@echo hatchling | $(COMPILE) --upgrade --no-annotate -c requirements.lock -o requirements-build.lock -

bench: .venv/ready ## measurements, side by side                 ARGS="slots"
	@$(BIN)/python -m benchmarks $(ARGS)

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Setting up .venv (once) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@{ $(PIP) install uv && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(PINNED); } 2> .venv/uv.log \
	    || { echo "… with pip, for uv could not (.venv/uv.log says why); this takes some minutes" >&2; $(PIP) install $(PINNED); }
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
