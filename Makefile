# Everything a developer or a newcomer runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := requirements.txt requirements-dev.txt gateway/requirements.txt preview/requirements.txt
STAMP := $(VENV)/.twinport-$(shell cat $(REQUIREMENTS) | cksum | tr -d ' ')

# molecule and ansible find their programs and the repository's own modules through these.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help setup demo demo-down lint check test test-python test-hosts bench docs lock tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## virtual environment .venv with everything; quick when nothing changed

$(STAMP): $(REQUIREMENTS)
	@echo "==> Virtual environment $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "twinport: Python 3.11 or newer is needed; name it with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "twinport: Python's venv module is missing: install python3-venv." >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check $(REQUIREMENTS:%=-r %)
	@rm -f $(VENV)/.twinport-* && touch $@

demo: setup ## a throw-away host on this machine, both entries at 127.0.0.1:8383 and :9090
	@python -m test_host demo-up

demo-down: ## remove every trace of the demo
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m test_host demo-down; else $(PYTHON) -m test_host demo-down; fi

lint: setup ## ruff, mypy, yamllint, ansible-lint, shellcheck
	tests/lint

check: setup tools ## the fast part of the tests, under two minutes
	python -m pytest -n auto -m "not slow" tests

test: test-python test-hosts ## everything: units, protocols, real hosts

test-python: setup tools ## units and protocols
	python -m pytest -n auto tests

test-hosts: setup tools ## molecule scenarios on throw-away systemd hosts
	molecule/run

bench: setup tools ## measure, side by side, with what a user could take instead
	python -m bench $(if $(ONLY),--only $(ONLY))

tools: ## the programs that tests need, from the distribution
	@tests/install-tools

docs: setup ## write the variable tables of the roles' READMEs anew
	@for role in roles/*/; do \
	  ansible-docsmith generate $$role --no-defaults --template-readme roles/readme.md.j2 >/dev/null; \
	done

lock: setup ## pin everything anew from the *.in files
	@for name in gateway/requirements preview/requirements requirements-dev; do \
	  pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header \
	    --annotation-style=line --output-file $$name.txt $$name.in; \
	done

clean: ## remove what the other targets made, but not the demo
	rm -rf $(VENV) .cache reports bench/results.json
