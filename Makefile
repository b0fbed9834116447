# `make run` and `make test` are all that a fresh machine needs; the rest are their parts.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check setup format

run: setup
	$(BIN)/python -m benchmarks run --methods dann,coral

test: setup
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --ignore tests/speed
	$(BIN)/python -m pytest tests/speed  # alone: they compare times

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@
