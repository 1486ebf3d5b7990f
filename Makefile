# The two main targets are `make run` and `make test`. Each does the missing set-up first.
#
# make exits with status 2 when a command fails. The line "Error N" has the status of the command:
# 1 a cell is not as expected, 2 wrong usage, 3 the environment failed. To get that as an exit status,
# use .venv/bin/dynptr-harness after `make setup`.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two workers, because one machine or container leaves much of two processors idle.
# The slowest tests come first, so that none of them runs alone at the end.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder
ARGS ?=
CACHE := $(or $(DYNPTR_HARNESS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dynptr-harness)

.NOTPARALLEL:
.PHONY: help setup install packages run matrix test test-packages lint unit browser-test test-docker vm-test bench docs baselines screenshot record lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: packages $(INSTALLED) ## install system packages, the virtual environment, the guest image, a kernel
	@$(BIN)/dynptr-harness setup

install: packages $(INSTALLED) ## install system packages and the virtual environment only

run: packages $(INSTALLED) ## test a kernel; ARGS="--kernel 6.1 --prog-type 'CGROUP_*'" is passed on
	@$(BIN)/dynptr-harness run $(ARGS)

matrix: packages $(INSTALLED) ## test every kernel series that Debian serves; ARGS="--jobs 2" is passed on
	@$(BIN)/dynptr-harness run --kernel all $(ARGS)

test: test-packages setup lint ## run all checks: lint, types, unit tests, HTML in a browser, booted kernels, containers
	@$(PYTEST) tests/vm tests/docker tests/browser tests/unit

lint: $(INSTALLED) ## check style, types and the import contract
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }

unit: $(INSTALLED) ## run the tests that need no virtual machine
	@$(PYTEST) tests/unit

browser-test: test-packages $(INSTALLED) ## run the tests of the HTML report, in Chromium
	@$(BIN)/pytest tests/browser

test-docker: test-packages setup ## run the tests that need a container engine; they start their own
	@$(BIN)/pytest tests/docker

vm-test: setup ## run the tests that boot a kernel
	@$(BIN)/pytest tests/vm

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

screenshot: install ## make docs/matrix.png and docs/matrix.svg from results/matrix.json
	@$(BIN)/dynptr-harness report results/matrix.json --html results/matrix.html --svg docs/matrix.svg
	@$(BIN)/python -m tests.browser.screenshot results/matrix.html docs/matrix.png

record: setup ## record the newest kernel's verifier answers for the unit tests
	@$(BIN)/python -m tests.record_verifier 7.3

bench: setup ## measure cold and warm starts and the whole catalogue; ARGS="--kernel 7.3" is passed on
	@$(BIN)/python -m tests.bench $(ARGS)

COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" pyproject.toml provision/build-requirements.txt

lock: ## pin the newest dependencies: all, and those of the tool (needs uv)
	@$(UV) $(COMPILE) --upgrade --extra dev --output-file requirements.lock
	@$(UV) $(COMPILE) --upgrade --constraint requirements.lock --output-file requirements-tool.lock

clean: ## remove the virtual environment and tool caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache dist
	find . -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## also remove the cache: kernels and guest images
	cd "$(CACHE)" 2>/dev/null && rm -rf apt boot guest-root guest-tree kernels kvm-probe objects oci-kernels payload payload-tree runs snapshots || true

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
