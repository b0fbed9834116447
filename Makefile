# `make run` and `make test` are all that a fresh machine needs; the rest are their parts.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # each of the many processes of the tests would compile torch again: 7 s

# A process for each core; each takes whole files, whose tests share what is dear to make. The longest files go first,
# so that no process is left alone with one at the end. kill and ray mostly wait: with two processes, the first takes
# both, while the second computes. Each has one thread, as runs have: with two, threads of small networks wait for each
# other (one test took 60 s, and 22 s with one).
SLOW := $(addprefix tests/test_,ray.py engine.py kill.py committed.py methods.py training.py cli.py architecture.py \
	datasets.py selection.py unlabelled.py package.py use.py check.py \
	dials.py backbones.py frozen.py)

.PHONY: run test test-all check setup format tables plants

run: setup
	$(BIN)/python -m benchmarks run --methods dann,coral

test-all: .venv/browser
test-all: MARKED := -m ""  # with the tests marked thorough, and those in the machine's Chromium

test test-all: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		$(MARKED) --ignore tests/speed $(SLOW) tests
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
	$(BIN)/pip install --quiet --no-compile --upgrade pip  # Python 3.11's takes 20 s longer to choose versions
	$(BIN)/pip install --quiet --no-compile --editable ".[dev]"  # Python compiles what is used, a fifth, in no time
	touch $@

.venv/browser: .venv/installed  # drives a Chromium that is there, and installs none
	$(BIN)/pip install --quiet --no-compile --editable ".[browser]"
	touch $@

tables: setup  # every committed table and picture, from the committed records
	PATH="$(CURDIR)/$(BIN):$$PATH" sh results/tables.sh
