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

.PHONY: help setup demo demo-down lint check test test-python test-hosts fuzz faults endure bench docs engine-server lock tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

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

test: setup tools ## everything: units, protocols, real hosts; the hosts also where the first half failed
	@failed=(); \
	for half in test-python test-hosts; do \
	  echo "==> make $$half ($$(date -u +%H:%M:%S))"; \
	  $(MAKE) --no-print-directory "$$half" || failed+=("$$half"); \
	done; \
	for half in test-python test-hosts; do \
	  case " $${failed[*]} " in *" $$half "*) echo "make $$half: FAILED" ;; *) echo "make $$half: passed" ;; esac; \
	done; \
	[ "$${#failed[@]}" -eq 0 ]

test-python: setup tools ## units and protocols
	python -m pytest -n auto tests

test-hosts: setup tools ## molecule scenarios on throw-away systemd hosts
	molecule/run

fuzz: setup tools ## ten CPU minutes of fuzzing for each parser, or make fuzz SECONDS=60; then new requests to both entries
	python -m tests.fuzz --seconds $(or $(SECONDS),600)
	TWINPORT_RANDOM_REQUESTS=600 python -m pytest -n auto --timeout 3600 -k many_requests tests/protocol/gateway/*/test_schema.py

faults: setup tools ## fail each system call of each way to store something, with each error
	TWINPORT_FAULTS=every python -m pytest -n auto --dist loadfile tests/protocol/gateway/test_nth_fault_*.py \
	  tests/protocol/gateway/*/test_nth_fault*.py tests/protocol/gateway/*/test_power_loss.py

endure: setup tools ## a day of mixed work with faults in twelve minutes: memory, descriptors, disk and tables end flat
	python -m tests.endure $(if $(HOURS),--hours $(HOURS))

bench: setup tools ## measure, side by side, with what a user could take instead
	python -m bench $(if $(ONLY),--only $(ONLY))

engine-server: ## CosyVoice's server as one file, dist/server.py, for a container that was started by hand
	@$(PYTHON) engine_patch/single_file.py dist/server.py

tools: ## the programs that tests need, from the distribution
	@tests/install-tools

docs: setup ## write the variable tables of the roles' READMEs
	@for role in roles/*/; do \
	  ansible-docsmith generate $$role --no-defaults --template-readme roles/readme.md.j2 >/dev/null; \
	done

lock: setup ## pin the current versions from the *.in files
	@for name in gateway/requirements preview/requirements requirements-dev; do \
	  pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-header \
	    --annotation-style=line --output-file $$name.txt $$name.in; \
	done

clean: ## remove what the other targets made, but not the demo
	rm -rf $(VENV) .cache dist reports bench/results.json
