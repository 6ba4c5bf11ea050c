# What people and CI say:
#   make run    one night on the demonstration city
#   make test   lint and all tests
# Both make their own environment in .venv first; all they need is Python 3.11 or newer.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: run test lint clean

VENV := .venv
BIN := $(VENV)/bin

# The first Python that is new enough; the pins in constraints.txt were made with 3.11.
PYTHON ?= $(firstword $(foreach p,python3.11 python3 python3.12 python3.13,$(shell \
	$(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(p))))

# Of pip's many lines, one for each package, to show that it goes on; errors come in full.
INSTALL := $(BIN)/python -m pip install --no-input --disable-pip-version-check --progress-bar off \
	-c constraints.txt
BRIEFLY := grep --line-buffered -oE '^(Collecting [^ ]+|Installing collected packages|Successfully [a-z]+)'

run: $(VENV)/.installed-demo
	$(BIN)/traffic-brain nightly $(ARGS)

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean:
	rm -rf $(VENV) night build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV), a few minutes the first time"
	@$(INSTALL) -e '.[demo]' | $(BRIEFLY)
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV), a few minutes the first time"
	@$(INSTALL) -e '.[demo,test]' | $(BRIEFLY)
	@touch $@ $(VENV)/.installed-demo
