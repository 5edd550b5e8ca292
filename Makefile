# The vocabulary of people, hooks and CI.
PYTHON ?= python3
BIN := .venv/bin
UV := UV_PYTHON_DOWNLOADS=never $(BIN)/uv
export DO_NOT_TRACK := 1
export PYTHONDONTWRITEBYTECODE :=
export DVC_SITE_CACHE_DIR := $(CURDIR)/.dvc/tmp/site

.PHONY: run test check campaign env data lock clean
.DEFAULT_GOAL := run

run: data                         ## make the demo's data, then the main job on flights, and how it would have kept fresh
	@$(BIN)/holdfast run flights
	@$(BIN)/holdfast replay flights --policies never,drift --from 2013-04

test: .venv/dev check             ## everything that CI runs
	@$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder --durations=20

check: .venv/dev                  ## style and types
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy

data: .venv/run                   ## both demos' raw files, landed and pinned
	@$(BIN)/python -m tasks.demo
	@$(BIN)/holdfast land flights
	@$(BIN)/holdfast land diabetes

env: .venv/dev                    ## the environment, from the locks

.venv/uv: requirements-dev.lock
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > .venv/uv.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@touch $@

.venv/run: .venv/uv requirements.lock
	@$(UV) pip sync -q --require-hashes requirements.lock .venv/uv.lock
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: .venv/run requirements-dev.lock
	@$(UV) pip sync -q --require-hashes requirements-dev.lock
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

lock:                             ## pin everything anew, and the libraries that shape results
	@$(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --extra build -o requirements.lock
	@$(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	@$(BIN)/python -m configs.libraries

campaign: .venv/dev               ## the long proofs, with full counts
	@$(BIN)/python -m pytest -q -p tests.campaign -n auto --dist worksteal -m campaign

clean:                            ## remove what can be made again, but not data or models
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
