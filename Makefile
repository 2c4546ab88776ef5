# Everything this project is asked to do. `make` alone prints the list.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# Qt and PostgreSQL want UTF-8; a bare machine names no locale at all.
export LANG ?= C.UTF-8

BIN := .venv/bin

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## set up .venv and missing system libraries (every target below does so by itself)
	@packaging/setup/prepare

.PHONY: demo
demo: setup ## show the whole of it: sales, server, kiosk, camera, phones, an outage, the books
	@$(BIN)/python packaging/demo/journey.py

.PHONY: test
test: setup ## run all tests, the longest first, else in random order, on all cores
	@$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

.PHONY: check
check: setup lint types imports dependencies dead-code architecture ## hold the code to its rules; CI runs this

.PHONY: bench
bench: setup ## measure what has a budget, and write it to JSON
	@$(BIN)/python tests/bench/run.py

.PHONY: screenshots
screenshots: setup ## draw every screen of the kiosk
	@$(BIN)/python packaging/demo/screenshots.py

.PHONY: lint
lint: setup ## style and likely bugs (ruff)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

.PHONY: types
types: setup ## types (mypy, strict)
	@$(BIN)/mypy --no-error-summary

.PHONY: imports
imports: setup ## who may import whom (import-linter)
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }

.PHONY: dependencies
dependencies: setup ## declared dependencies are the used ones (deptry)
	@report=$$($(BIN)/deptry . 2>&1) || { echo "$$report"; exit 1; }

.PHONY: dead-code
dead-code: setup ## code nobody calls (vulture)
	@$(BIN)/vulture

.PHONY: architecture
architecture: setup ## the rules that tools do not know (tests/architecture)
	@$(BIN)/python -m pytest --quiet --no-header tests/architecture

.PHONY: format
format: setup ## put the code into shape
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .
