# Kumihimo. `make demo` starts the country in miniature and runs the first case; `make test` checks everything.
# Both make .venv from requirements.lock by themselves and bring in missing system packages when run as root.

SHELL := /bin/bash
# Distributions build their interpreter with every optimisation; one found earlier in PATH is often a quarter slower.
OPTIMISED := /usr/bin/python3
PYTHON ?= $(shell $(OPTIMISED) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $(OPTIMISED) || echo python3)
export PYTHON
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo

.DEFAULT_GOAL := help
.PHONY: help demo test lint types rules unit reformat bench lock picture clean system system-test

help: ## what can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/ready ## start the country in miniature, run the first case, print the addresses (Ctrl-C stops it)
	$(BIN)/kumihimo demo --country $(DEMO) $(DEMO_ARGS)

test: $(VENV)/ready system-test lint types rules unit ## everything: lint, types, import rules, tests

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

rules: $(VENV)/ready ## the import rules between the rooms
	$(BIN)/lint-imports

unit: $(VENV)/ready
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

reformat: $(VENV)/ready ## bring the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/ready ## measure: translation, rules, log, inquiries
	$(BIN)/kumihimo bench all

picture: $(VENV)/ready ## draw docs/country.*.svg again from the topology
	$(BIN)/python -m kumihimo.country.picture docs

lock: ## resolve requirements.lock again (needs uv)
	uv pip compile -q --universal --no-annotate --all-extras --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 pyproject.toml -o requirements.lock

clean: ## remove everything made here
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

$(VENV)/ready: requirements.lock pyproject.toml
	@./scripts/system-packages run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

system-test:
	@./scripts/system-packages test
