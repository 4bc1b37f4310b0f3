# The two commands: `make demo` (needs Python 3.11 only) and `make test` (needs apt, where something is missing).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export GOAL := $(firstword $(MAKECMDGOALS))
export VENV ?= .venv
export PYTHON ?= python3

PACKAGES := cardcore reader_daemon server admin_web firmware_mocks
PYTEST_JOBS ?= 2
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60
MUTATION_ARGS ?=
KILLS ?= 200
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' --quiet --group build

.PHONY: help setup setup-test demo test pytest lint format lock bench chaos fuzz mutation clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with what the demo needs; neither root nor apt
	@.ci/setup demo

demo: setup ## start a whole site with virtual readers; options in DEMO_ARGS, e.g. DEMO_ARGS="--seed 7 --exit"
	@exec $(VENV)/bin/onecard demo $(DEMO_ARGS)

setup-test: ## what the tests need, Debian packages included
	@.ci/setup test
	@.ci/simulator-command

test: setup-test ## set up, check and test everything; PYTEST_ARGS narrows the tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory pytest

pytest: # the tests alone, on a machine that is set up
	@echo "onecard: testing with $(PYTEST_JOBS) processes"
	@$(VENV)/bin/python -m pytest -n $(PYTEST_JOBS) --dist loadfile $(PYTEST_ARGS)

lint: ## ruff, its formatter and mypy; the import and house rules run with the tests
	@echo "onecard: checking style (ruff)"
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --check --quiet .
	@echo "onecard: checking types (mypy)"
	@$(VENV)/bin/mypy --no-error-summary $(PACKAGES) tests

format: ## let ruff format and mend what it can
	@$(VENV)/bin/ruff check --fix --quiet .
	@$(VENV)/bin/ruff format .

lock: ## choose the newest allowed versions and write both lock files
	@$(VENV)/bin/python -m pip install --quiet 'uv>=0.9'
	@rm -f requirements.lock requirements-dev.lock
	@$(VENV)/bin/$(COMPILE) --extra demo --output-file requirements.lock
	@$(VENV)/bin/$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

bench: setup ## measure; options in BENCH_ARGS
	@exec $(VENV)/bin/onecard bench $(BENCH_ARGS)

chaos: setup-test ## every scenario on real processes; KILLS kills in a row
	@ONECARD_CHAOS=all KILLS=$(KILLS) $(VENV)/bin/python -m pytest -n0 -m chaos -s $(PYTEST_ARGS)

fuzz: setup-test ## fuzz every parser for FUZZ_SECONDS each (60); finds go to .fuzz
	@for target in $$($(VENV)/bin/python -m tests.fuzz.targets); do echo "onecard: fuzzing $$target"; \
		$(VENV)/bin/python -m tests.fuzz.run $$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -verbosity=0 -print_final_stats=1; done

mutation: setup-test ## break the rules of money and access on purpose and count what the tests notice; MUTATION_ARGS
	@$(VENV)/bin/python -m tests.mutation.run $(MUTATION_ARGS)

clean: ## remove the virtual environment, caches and the demo's data
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
