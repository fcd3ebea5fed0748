# Two commands matter: `make demo` and `make test`. Both set up what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
# Longer than any test's own timeout, and kept by a thread: where a starter blocks SIGALRM, those timeouts never fire.
LAST_RESORT := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true
# hypothesis tries the same examples every time; new ones are tried by pytest alone, and by make test-faults.
SAME_EXAMPLES := --hypothesis-profile=ci

.DEFAULT_GOAL := help
.PHONY: models-table help setup demo test lint test-unit test-boards test-faults bench format clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## Virtual environment in .venv, compilers and emulators (Debian packages, when apt may)

$(VENV)/.ready: pyproject.toml ci/constraints.txt ci/setup ci/packages.txt
	@PYTHON=$(PYTHON) ci/setup $(VENV)

demo: setup  ## The main job: build, flash, stream, compare, report, on an emulated STM32F405 (DATA=FuelConsumption.csv for the real rows)
	@ci/demo $(BIN) $(DATA)

test: setup lint test-unit test-boards  ## Everything CI runs: lint, types, unit, firmware and emulated-board tests

lint: setup  ## Style and types of harness, tests and firmware
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m harness.protocol.generate_header --check
	ci/check-clang-format

test-unit: setup  ## Python and firmware tests
	$(BIN)/pytest $(LAST_RESORT) $(SAME_EXAMPLES)

test-boards: setup  ## The hardware suite on every emulated board
	$(BIN)/pytest $(LAST_RESORT) tests/hardware --require-board --board host --board netduino2plus --board megaatmega2560

test-faults: setup  ## Every fault at every byte, storms, a bad line, killed runs, fuzzing: the table of docs/reliability.md (minutes)
	$(BIN)/python -m tests.faults
	HIL_MACHINE_EXAMPLES=500 HIL_FUZZ_INPUTS=1000000 $(BIN)/pytest tests/faults tests/firmware/test_fuzz.py tests/workflow/test_interruptions.py
	HIL_KILLS=100 $(BIN)/pytest -s tests/locks

bench: setup  ## The link's speed table: share of the line, other dialects on the same line, what it costs the host
	$(BIN)/python -m benchmarks.link.run

models-table: setup  ## Every bundle on every emulated board: the tables of docs/models.md
	$(BIN)/python -m benchmarks.models_table --write docs/models.md

format: setup  ## Format everything in place
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .
	ci/check-clang-format --fix

clean:  ## Remove what setup and builds made here (the cache in your home stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
