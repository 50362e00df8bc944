# Everything a developer does. `make help` lists it; CI runs `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

# Every process of a test run, and the servers and commands it starts, would otherwise compile some thousand files again.
unexport PYTHONDONTWRITEBYTECODE
TOGETHER := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# One process more than there are cores: a fifth of the time all of them wait for a server or a browser.
CROWDED := -n $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))') --dist loadfile --no-loadscope-reorder
ALONE := server/tests/faults server/tests/core/kv

RUN_STAMP := .venv/.run
DEV_STAMP := .venv/.dev

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(RUN_STAMP): requirements.lock server/pyproject.toml kit/pyproject.toml
	@PYTHON="$(PYTHON)" sh deploy/dev/venv.sh requirements.lock
	@touch $(RUN_STAMP)

$(DEV_STAMP): requirements-dev.lock requirements.lock server/pyproject.toml kit/pyproject.toml
	@PYTHON="$(PYTHON)" sh deploy/dev/venv.sh requirements-dev.lock
	@touch $(RUN_STAMP) $(DEV_STAMP)

setup: $(DEV_STAMP) ## build .venv with everything a developer needs

run: $(RUN_STAMP) ## start Identry for development (ARGS="--port 4000" passes flags on)
	@exec $(BIN)/identry dev $(ARGS)

test: $(DEV_STAMP) ## run every test against real PostgreSQL, Redis and SMTP (ARGS="-k login" narrows)
	$(BIN)/pytest -m "not slow and not alone" $(CROWDED) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/pytest -m "not slow and alone" $(TOGETHER) -o testpaths="$(ALONE)" $(ARGS) || [ $$? -eq 5 ]

test-long: $(DEV_STAMP) ## the long forms of races, faults and fuzzing
	$(BIN)/pytest -m slow $(ARGS)

timing: $(DEV_STAMP) ## report whether sign-in and reset take the same time for known and unknown addresses
	$(BIN)/pytest server/tests/flows/test_timing.py -m slow -s $(ARGS)

format: $(DEV_STAMP) ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

check: $(DEV_STAMP) ## format, lint, types, import contracts, generated documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m identry.documents --check

docs: $(DEV_STAMP) ## regenerate docs/openapi.yaml, docs/errors.md, docs/configuration.md
	$(BIN)/python -m identry.documents

lock: $(DEV_STAMP) ## resolve the lock files again (names, versions, hashes; no registry address)
	sh deploy/dev/lock.sh

bench: $(DEV_STAMP) ## measure, each figure beside its limit from the same run
	$(BIN)/python -m bench $(ARGS)

clean: ## remove what the targets above built, keep .identry
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: help setup run test test-long timing format check docs lock bench clean
