# `make run` and `make test` are all that a fresh machine needs; the rest are their parts.
PYTHON ?= python3
BIN := .venv/bin

# Files with few and long tests go first, so that no worker is left alone with one of them at the end.
SLOW := $(addprefix tests/test_,ray.py use.py check.py kill.py cli.py engine.py)

.PHONY: run test check setup format tables plants

run: setup
	$(BIN)/python -m benchmarks run --methods dann,coral

test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		--ignore tests/speed $(SLOW) tests
	$(BIN)/python -m pytest tests/speed  # alone: they compare times

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

plants: setup  # faults, planted one by one: each must turn its test red
	$(BIN)/python -m tests.plants

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

tables: setup  # every committed table and picture, from the committed records
	PATH="$(CURDIR)/$(BIN):$$PATH" sh results/tables.sh
