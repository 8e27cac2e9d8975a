# Everything a newcomer or a CI machine needs: Python 3.11 or newer, and make.
# Each target installs what it lacks into .venv, once; constraints.txt fixes the versions.

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# The first Python that answers and is new enough; `make demo PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

# Byte code is made when a module is first used: most never are.
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := install --quiet --constraint constraints.txt
DEMO := local,models,plots,reports
DEV := $(DEMO),dev

# uv takes half of pip's time; where it does not find what pip is set up to use (an index, a proxy), pip does it.
define install
@$(PIP) $(INSTALL) --no-compile uv
@$(BIN)/uv pip $(INSTALL) --system-certs --python $(BIN)/python --editable '.[$(1)]' 2>/dev/null || \
	$(PIP) $(INSTALL) --no-compile --editable '.[$(1)]'
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test coverage check lint wheel constraints clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Backtest the models on real prices and print the leaderboard
	@$(BIN)/experiments demo $(ARGS)

test: $(VENV)/.dev ## Run the tests; ARGS='-m "not engine"' for the fast ones
	$(BIN)/python -m pytest $(ARGS)

coverage: $(VENV)/.dev ## Run all tests and measure what they reach (half an hour)
	$(BIN)/python -m pytest --cov $(ARGS)

check: lint wheel ## Lint, formatting, types, and the built wheel in a clean environment

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/.dev
	$(BIN)/python .ci/check_wheel.py

constraints: ## Resolve constraints.txt anew from pyproject.toml, in a fresh environment
	$(PYTHON) -m venv --clear build/resolve
	build/resolve/bin/python -m pip install --quiet --disable-pip-version-check '.[local,models,plots,reports,dev,bench]' uv
	grep '^#' constraints.txt > build/constraints.txt
	build/resolve/bin/python -m pip freeze --exclude experiment-ledger | tr A-Z_ a-z- | LC_ALL=C sort >> build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/resolve

clean: ## Remove the environment, caches and builds; the demo's ledger stays
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "This needs Python 3.11 or newer, and none was found as python3.11 or python3." \
		"Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing the package, the embedded engine and the models (once, about a minute) ..."
	$(call install,$(DEMO))
	@touch $@

# What the tests need includes what the demo needs.
$(VENV)/.dev: $(VENV)/.created pyproject.toml constraints.txt
	@echo "Installing the package, the embedded engine, the models and the test tools (once, about a minute) ..."
	$(call install,$(DEV))
	@touch $(VENV)/.demo $@
