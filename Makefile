# The two main targets are `make run` and `make test`. Each does the missing set-up first.
#
# make exits with status 2 when a command fails. Its message "Error N" has the exit status of the command
# (docs/reference.md). To get this exit status, call .venv/bin/dynptr-harness after `make setup`.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two workers, because one machine or container does not use two CPUs. The slowest tests come first, so none of
# them runs alone at the end.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder
ARGS ?=
CACHE := $(or $(DYNPTR_HARNESS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dynptr-harness)

.NOTPARALLEL:
.PHONY: help run test matrix setup install lint unit vm-test test-faults browser-test test-docker docs baselines record screenshot bench lock clean distclean packages test-packages

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: packages $(INSTALLED) ## test a kernel, 6.12 by default; ARGS="--kernel 6.1 --prog-type 'CGROUP_*'" is passed on
	@$(BIN)/dynptr-harness run $(ARGS)

test: test-packages setup lint ## run all checks: lint, unit tests, virtual machines, browser, containers
	@$(PYTEST) -m "not exhaustive" tests/vm tests/faults tests/docker tests/browser tests/unit

matrix: packages $(INSTALLED) ## test every kernel series of Debian; ARGS="--jobs 2" is passed on
	@$(BIN)/dynptr-harness run --kernel all $(ARGS)

setup: packages $(INSTALLED) ## install everything, build the guest image, fetch a kernel
	@$(BIN)/dynptr-harness setup

install: packages $(INSTALLED) ## install system packages and the virtual environment only

lint: $(INSTALLED) ## check style, types and the import contract
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

unit: $(INSTALLED) ## run the unit tests; they boot no kernel
	@$(PYTEST) tests/unit

vm-test: setup ## run the tests that boot a kernel
	@$(BIN)/pytest tests/vm

test-faults: setup ## inject every fault, and write its outcome to docs/reliability.md; it takes ten minutes
	@$(BIN)/pytest tests/faults --fault-table $(VENV)/faults.md
	@$(BIN)/python -m tests.faults.page $(VENV)/faults.md

browser-test: test-packages $(INSTALLED) ## run the tests of the HTML report in Chromium
	@$(BIN)/pytest tests/browser

test-docker: test-packages setup ## run the tests that need a container engine; they start their own
	@$(BIN)/pytest tests/docker

docs: $(INSTALLED) ## generate docs/catalogue.md, fixes.md, options.md, and the helper's page from baselines/
	@$(BIN)/python -m dynptr_harness.report.catalogue_page >docs/.catalogue.md
	@mv docs/.catalogue.md docs/catalogue.md
	@$(BIN)/python -m dynptr_harness.report.fixes_page >docs/.fixes.md
	@mv docs/.fixes.md docs/fixes.md
	@$(BIN)/python -m dynptr_harness.cli.options_page >docs/.options.md
	@mv docs/.options.md docs/options.md
	@$(BIN)/dynptr-harness docs baselines --output docs/bpf_ringbuf_reserve_dynptr.md

baselines: install ## run every kernel and write the results to baselines/; ARGS="--jobs 2" is passed on
	@mkdir -p results
	@$(BIN)/dynptr-harness run --kernel all --json results/matrix.json $(ARGS) || [ $$? -eq 1 ]
	@$(BIN)/dynptr-harness baseline results/matrix.json

record: setup ## record the verifier's answers on the newest kernel for the unit tests
	@$(BIN)/python -m tests.record_verifier 7.3

screenshot: install ## make docs/matrix.png and docs/matrix.svg from results/matrix.json
	@$(BIN)/dynptr-harness report results/matrix.json --html results/matrix.html --svg docs/matrix.svg
	@$(BIN)/python -m tests.browser.screenshot results/matrix.html docs/matrix.png

bench: setup ## measure the cost of a run; ARGS="--kernel 7.3" is passed on
	@$(BIN)/python -m tests.bench $(ARGS)

COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" pyproject.toml provision/build-requirements.txt

lock: ## pin the newest dependencies in the lock files (needs uv)
	@$(UV) $(COMPILE) --upgrade --extra dev --output-file requirements.lock
	@$(UV) $(COMPILE) --upgrade --constraint requirements.lock --output-file requirements-tool.lock

clean: ## remove the virtual environment and tool caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## also remove the cache: kernels and guest images
	cd "$(CACHE)" 2>/dev/null && rm -rf apt boot built-modules guest-root guest-tree kernels kvm-probe objects oci-kernels package-contents package-kernels payload payload-tree runs snapshots || true

packages:
	@provision/install

test-packages:
	@provision/install tool image vm test

$(INSTALLED): requirements.lock pyproject.toml
	@echo "making the virtual environment $(VENV)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
