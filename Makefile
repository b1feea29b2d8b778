# Each target makes its own environment: all it takes is Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: test check lint types contracts faults bench demo clean
test: $(READY)
	$(BIN)/pytest -n auto -m "not long"

check: lint types contracts test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

faults: $(READY)
	$(BIN)/pytest -m long --timeout=3600

bench: $(READY)
	$(BIN)/python -m tests.bench

demo: $(READY)
	$(BIN)/wukong demo

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
