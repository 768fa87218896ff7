# Verbs for people. What depends on what stands in dvc.yaml alone.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Compiled bytecode halves the start of every stage.
export PYTHONDONTWRITEBYTECODE :=
# Quiet libraries: what a stage prints is its own progress.
export TOKENIZERS_PARALLELISM := false
export TRANSFORMERS_VERBOSITY := error
export HF_HUB_DISABLE_TELEMETRY := 1

PYTHON ?= python3
STAMP := .venv/.stamp
# The same graph at its smallest: random weights, a few pairs, one sample.
SMOKE := base=tiny scale=0.03 max_new_tokens=12 max_steps=2 students.v3b.max_steps=1

.PHONY: help check setup repro smoke test lint bench gguf exp diff report remote push pull clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check:
	@need() { command -v "$$1" > /dev/null || { echo "error: $$1 is missing; $$2" >&2; exit 1; }; }; \
	need $(PYTHON) "apt-get install python3 python3-venv"; \
	need git "apt-get install git"; \
	need cmake "llama-cpp-python is compiled at install: apt-get install cmake"; \
	need $${CC:-cc} "llama-cpp-python is compiled at install: apt-get install build-essential"; \
	need $${CXX:-c++} "llama-cpp-python is compiled at install: apt-get install build-essential"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $$($(PYTHON) --version) is too old; 3.11 or newer is needed (make PYTHON=python3.12 ...)" >&2; exit 1; }; \
	$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null \
	  || { echo "error: $(PYTHON) has no venv; apt-get install python3-venv" >&2; exit 1; }

$(STAMP): requirements.txt
	@$(MAKE) check
	@echo "setup: a virtual environment in .venv, then requirements.txt; the first time takes minutes, llama.cpp is compiled"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
	@echo "setup: done; 'source .venv/bin/activate' puts dvc on your path"

setup: $(STAMP) ## make .venv and install requirements.txt

repro: $(STAMP) ## the whole graph, then the report
	@dvc repro
	@$(MAKE) report

smoke: $(STAMP) ## the whole graph on random weights, in a copy: the workspace stays as it is
	@dvc exp run --temp --name smoke-$$(date +%s) $(addprefix -S ,$(SMOKE))

test: $(STAMP) lint ## lint and tests, among them the smoke graph in a clone
	@python -m pytest

lint: $(STAMP) ## ruff and mypy
	@ruff check .
	@ruff format --check .
	@mypy

bench: $(STAMP) ## speed and memory as ratios, side by side
	@python -m pytest tests/bench -s

gguf: $(STAMP) ## the GGUF files and what they hold
	@dvc repro gguf
	@ls -l models/gguf/*/*.gguf

exp: $(STAMP) ## one variant: make exp LR=1.2e-5
	@test -n "$(LR)" || { echo "error: LR is missing; make exp LR=1.2e-5" >&2; exit 1; }
	@dvc exp run -S lr=$(LR)

diff: $(STAMP) ## the scores against the last commit
	@dvc metrics diff

report: $(STAMP) ## print the report and the minutes by stage
	@test -f metrics/report.md || dvc repro report
	@cat metrics/report.md
	@python -m stages.report --timings

remote: $(STAMP) ## where to share: make remote URL=s3://bucket/prefix [ENDPOINT=https://...], or a folder
	@test -n "$(URL)" || { echo "error: URL is missing; make remote URL=s3://bucket/prefix [ENDPOINT=https://...]" >&2; exit 1; }
	@dvc remote add --force --default storage "$(URL)"
	@if test -n "$(ENDPOINT)"; then dvc remote modify storage endpointurl "$(ENDPOINT)"; fi
	@echo "remote: $(URL); credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or .dvc/config.local"

push: $(STAMP) ## send what dvc.lock names to the remote
	@dvc push

pull: $(STAMP) ## fetch what dvc.lock names from the remote
	@dvc pull --allow-missing

clean: ## remove .venv and caches of tools; data, models and the DVC cache stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
	@find stages tests -name __pycache__ -type d -prune -exec rm -rf {} +
