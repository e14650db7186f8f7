# `make demo` and `make test` each do all set-up by themselves: Python 3.11 or newer and make are
# enough. The set-up lives in .venv; a changed requirements.lock or pyproject.toml renews it.

VENV  := .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.stamp
LOG   := $(VENV)/install.log

# A Python to start from: `make PYTHON=/path/to/python3.12 ...` names one.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# Where pip has a wheel of hdrhistogram (and what that alone needs); elsewhere its test is skipped.
X86_LINUX := sys_platform == "linux" and platform_machine == "x86_64"

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHONNOUSERSITE := 1

# A set-up that was made elsewhere (the tree was moved or copied) points elsewhere: make it anew.
ifneq ($(shell cat $(VENV)/.where 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types layers unit notebook-test fmt examples bench agree lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv and install the pinned versions (the others do it by themselves)

$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	if [ "$$(cat $(VENV)/.where 2>/dev/null)" != "$(CURDIR)" ] \
	    || ! $(PY) -c 'import pip; $(USABLE)' 2>/dev/null; then \
	    base=; \
	    for p in $(CANDIDATES); do \
	        if "$$p" -c '$(USABLE)' >/dev/null 2>&1; then base="$$p"; break; fi; \
	    done; \
	    if [ -z "$$base" ]; then \
	        echo "virtsim needs Python 3.11 or newer with its venv module (on Debian and Ubuntu: python3-venv);" \
	            "none of these is: $(CANDIDATES). 'make PYTHON=/path/to/python ...' names another." >&2; \
	        exit 1; \
	    fi; \
	    echo "creating $(VENV) with $$("$$base" --version)"; \
	    rm -rf $(VENV); \
	    "$$base" -m venv $(VENV); \
	fi; \
	echo "installing the versions in requirements.lock (about a minute; details in $(LOG))"; \
	{ $(PY) -m pip install -r requirements.lock \
	    && $(PY) -m pip install --no-build-isolation -c requirements.lock -e '.[notebook,dev,fast]'; \
	} >$(LOG) 2>&1 || { \
	    tail -n 20 $(LOG) >&2; echo "the installation failed: see $(LOG)" >&2; exit 1; }; \
	printf '%s\n' "$(CURDIR)" >$(VENV)/.where; \
	touch $(STAMP)

demo: $(STAMP) ## run scenarios/backends.yaml
	$(VENV)/bin/virtsim run scenarios/backends.yaml

test: lint types layers unit notebook-test ## every check: ruff, mypy, layers, pytest, notebooks
	@echo "== all checks passed"

lint: $(STAMP) ## ruff: rules and formatting
	@echo "== ruff"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: $(STAMP) ## mypy --strict
	@echo "== mypy"
	@$(PY) -m mypy --strict virtsim

layers: $(STAMP) ## import-linter: which module may import which
	@echo "== import-linter"
	@$(VENV)/bin/lint-imports --no-logo

unit: $(STAMP) ## pytest on all cores
	@echo "== pytest"
	@$(PY) -m pytest -n auto

notebook-test: $(STAMP) ## execute every notebook, in a copy
	@echo "== notebooks"
	@$(PY) tests/run_notebooks.py

fmt: $(STAMP) ## format, and fix what ruff can fix
	@$(PY) -m ruff check --fix --exit-zero .
	@$(PY) -m ruff format .

examples: $(STAMP) ## remake results/backends
	rm -rf build/examples results/backends
	$(VENV)/bin/virtsim run scenarios/backends.yaml --out build/examples
	mkdir -p results/backends
	cp build/examples/backends/*/summary.json build/examples/backends/*/report.html results/backends/
	$(VENV)/bin/virtsim report build/examples/backends/* --figures results/backends
	cd notebooks && ../$(VENV)/bin/jupyter nbconvert --execute --to html *.ipynb \
	    --output-dir ../results/backends

bench: $(STAMP) ## measure the engines
	$(VENV)/bin/virtsim bench

agree: $(STAMP) ## compare the engines on 20 000 random Programs
	$(PY) -m virtsim.testing.agreement --programs 4000

lock: ## remake requirements.lock from the newest releases that pyproject.toml allows
	@set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	"$(or $(PYTHON),python3)" -m venv "$$scratch"; \
	"$$scratch/bin/python" -m pip install -q '.[notebook,dev,fast]'; \
	{ sed '/^#/!d' requirements.lock; \
	  "$$scratch/bin/python" -m pip freeze --all \
	    | sed -E '/^(virtsim|pip=)/d; s/^(hdrhistogram|pbr|setuptools)=.*/& ; $(X86_LINUX)/'; \
	} >"$$scratch/lock"; \
	cp "$$scratch/lock" requirements.lock

clean: ## remove .venv, caches and build junk (results stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
	    .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
