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
.PHONY: help demo test card lint types rules unit reformat bench lock picture clean system system-test

help: ## what can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/ready ## start the country in miniature, run the first case, print the addresses (Ctrl-C stops it)
	$(BIN)/kumihimo demo --country $(DEMO) $(DEMO_ARGS)

test: $(VENV)/ready system-test card lint types rules unit ## everything: lint, types, import rules, tests

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

rules: $(VENV)/ready ## the import rules between the rooms
	$(BIN)/lint-imports

unit: $(VENV)/ready
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

reformat: $(VENV)/ready ## bring the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/ready ## measure: translation, rules, log, inquiries
	$(BIN)/kumihimo bench all

picture: $(VENV)/ready ## draw docs/country.*.svg again from the topology
	$(BIN)/python -m kumihimo.country.picture docs

COMPILE := uv pip compile -q --universal --no-annotate --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock: ## resolve requirements.lock and requirements-reader.lock again (needs uv)
	$(COMPILE) --extra dev --extra reader-build pyproject.toml -o requirements.lock
	echo "pyscard>=2.3" | $(COMPILE) - -o requirements-reader.lock

clean: ## remove everything made here
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

$(VENV)/ready: requirements.lock pyproject.toml
	@./scripts/system-packages run
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# pyscard is built from source against the PC/SC headers; what cannot be had is said, and everything else goes on.
card: $(VENV)/ready ## what cards need: PC/SC, a virtual reader, OpenSC, a browser
	@./scripts/system-packages card
	@$(BIN)/python -c 'import smartcard' 2>/dev/null || PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet \
		--require-hashes --no-deps --no-build-isolation -r requirements-reader.lock \
		|| echo "No card reader can be used: pyscard could not be built (see above)." >&2

system-test:
	@./scripts/system-packages test
