# Two commands are enough: `make demo` shows Shuke at work, `make test` proves it.
# A fresh Debian 12 needs python3, python3-venv, git and make; the rest is installed into .venv or named.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
# uv must use this environment and this Python: it never fetches an interpreter, and leaves itself installed.
SYNC := UV_PROJECT_ENVIRONMENT=$(CURDIR)/$(VENV) UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --frozen --inexact --quiet
LOCK := pyproject.toml uv.lock
WORKERS ?= 2

.PHONY: help install demo serve test test-slow bench check docs css system-packages clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(VENV)/.runtime ## everything that running needs, into .venv

demo: $(VENV)/.runtime ## load a real grocer's year and serve it
	$(BIN)/shuke demo

serve: $(VENV)/.runtime ## serve this directory's data (.shuke)
	$(BIN)/shuke serve

test: check system-packages ## lint, types, contracts and all tests but the slow ones
	$(BIN)/pytest -n $(WORKERS) -m "not slow"

test-slow: $(VENV)/.development system-packages ## the tests that take more than a minute each
	$(BIN)/pytest -m slow

bench: $(VENV)/.development ## measure; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

check: $(VENV)/.development ## style, types and the contracts between rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.documentation ## the documentation, into site/
	$(BIN)/mkdocs build --strict --quiet

css: $(VENV)/.development ## rebuild the console's stylesheet
	$(BIN)/python src/shuke/console/design/build.py

system-packages:
	@.ci/system-packages

clean: ## remove what was built; data in .shuke stay
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache test-artifacts

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Stamps: the newest one says which set of packages the lock file has been applied for.
$(VENV)/.runtime: $(LOCK) | $(BIN)/uv
	@echo "Installing what running needs into $(VENV); the first time takes a minute or two."
	$(SYNC) --extra demo --no-default-groups
	@touch $@

$(VENV)/.development: $(LOCK) | $(BIN)/uv
	$(SYNC) --extra demo --no-default-groups --group dev
	@touch $(VENV)/.runtime $@

$(VENV)/.documentation: $(LOCK) | $(BIN)/uv
	$(SYNC) --extra demo --no-default-groups --group docs
	@touch $(VENV)/.runtime $@
