# Each target sets up what is missing first, and can be run again at no cost.
BIN := .venv/bin
QUICK := tests/unit tests/contract tests/architecture
# Networks and limits of machines are root's to make; QEMU itself runs as a user without rights.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env --)
.DEFAULT_GOAL := help
.PHONY: help run test quick check bench lock setup

help: ## Show these lines
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

run: setup ## Build a sample project, from a private Git server, in a fresh machine (ONCE=1: that alone)
	@$(AS_ROOT) $(BIN)/python -m scripts.sample.run

test: setup check quick ## Check everything and run all tests, real machines included
	@$(AS_ROOT) $(BIN)/pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder

quick: setup ## Run the tests that need no machine and no server (under a minute)
	@$(BIN)/pytest -q -n 2 -m "not slow" $(QUICK)

check: setup ## Lint, formatting, types, directions of imports
	@scripts/check

bench: setup ## Measure, print a table, write bench/latest.json
	@$(AS_ROOT) $(BIN)/python -m bench.run

lock: setup ## Make requirements.lock anew from pyproject.toml
	@scripts/lock

setup: ## Install what is missing
	@scripts/setup
