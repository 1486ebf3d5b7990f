# The two commands to know: `make run` and `make test`. Each does the set-up that is still missing.
#
# make itself ends with status 2 when a command fails; the line "Error N" that it prints has the command's
# own status: 1 something is not as expected, 2 wrong usage, 3 the environment failed. To get that as an
# exit status, use .venv/bin/dynptr-harness after `make setup`.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
CACHE := $(or $(DYNPTR_HARNESS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dynptr-harness)

.NOTPARALLEL:
.PHONY: help setup packages run test lint unit vm-test bench docs record lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: packages $(INSTALLED) ## install system packages, the virtual environment, the guest image, a kernel
	@$(BIN)/dynptr-harness setup

run: packages $(INSTALLED) ## test a kernel; ARGS="--kernel 6.1 --prog-type 'CGROUP_*'" is passed on
	@$(BIN)/dynptr-harness run $(ARGS)

test: setup lint ## do all checks: lint, types, unit tests, tests on a booted kernel
	@$(BIN)/pytest tests/unit tests/vm

lint: $(INSTALLED) ## check style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

unit: $(INSTALLED) ## run the tests that need no virtual machine
	@$(BIN)/pytest tests/unit

vm-test: setup ## run the tests that boot a kernel
	@$(BIN)/pytest tests/vm

docs: $(INSTALLED) ## make docs/catalogue.md anew from the catalogue
	@$(BIN)/python -m harness.conformance.catalogue_page >docs/.catalogue.md
	@mv docs/.catalogue.md docs/catalogue.md

record: setup ## record what the newest kernel's verifier says, which the unit tests' model answers
	@$(BIN)/python -m tests.record_verifier 7.3

bench: setup ## measure cold and warm starts and the whole catalogue; ARGS="--kernel 7.3" is passed on
	@$(BIN)/python -m tests.bench $(ARGS)

lock: ## pin the newest dependencies in requirements.lock (needs uv)
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--extra dev --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml provision/build-requirements.txt

clean: ## remove the virtual environment and what tools left in the tree
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove also the cache: kernels and guest images
	cd "$(CACHE)" 2>/dev/null && rm -rf apt boot guest-root kernels kvm-probe objects payload runs snapshots || true

packages:
	@provision/install

$(INSTALLED): requirements.lock pyproject.toml
	@echo "making the virtual environment $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
