PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock

.PHONY: demo test test-long test-faults servers bench bench-pipeline evaluate lock clean

demo: .venv/installed
	$(BIN)/watchkeeper demo

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow"

test-long: .venv/installed-dev
	$(BIN)/pytest -q

# every fault at length: at least thirty kills, brokers and databases that go away, full disks, sleepers
test-faults: .venv/installed-dev
	$(BIN)/pytest -q -s tests/faults

# real Kafka and InfluxDB for the tests, built from the package registries into .servers/ (minutes, once)
servers:
	tests/servers/build.sh

bench: .venv/installed
	$(BIN)/watchkeeper bench detectors

bench-pipeline: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.pipeline --json

# every detector and baseline on every suite of ../shared/data, an hour: ops/evaluation.csv and the tables of the README
evaluate: .venv/installed-dev
	$(BIN)/python -m tests.benchmarks.evaluation

lock: .venv/uv
	$(BIN)/uv pip compile --quiet --no-emit-index-url --no-header --no-annotate --python-version 3.11 \
		--extra all --extra dev pyproject.toml -o requirements.lock

.venv/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Watchkeeper needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}. Say which to use: make PYTHON=python3.12 demo")'
	@echo 'making .venv and installing the pinned packages'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/installed: .venv/uv pyproject.toml requirements.lock
	@$(INSTALL) -e .
	@touch $@

.venv/installed-dev: .venv/installed
	@$(INSTALL) -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis watchkeeper-data
