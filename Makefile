# make demo: install into .venv and train a small model.   make test: install what tests need, check, test.
# make docs: the site, in build/site.
# TORCH_INDEX names a package index with CPU-only wheels: torch and torchvision, both, are taken from there and the
# rest as usual (6 GB become 1):  make demo TORCH_INDEX=https://...
PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q
PYTEST_ARGS ?=
# Tests at a time; 0: one after the other, in one process.
JOBS ?= 2
PYTEST := -m pytest -n $(JOBS) --dist worksteal

PYTHON_FOLDERS := src tests benchmarks docs examples

.PHONY: demo test docs check fast format clean test-oldest

demo: .venv/installed
	$(BIN)/vit-adapter demo

# One thread: tests use small tensors, and several processes at once fight over threads.
test fast test-oldest: export OMP_NUM_THREADS := 1

test: check
	$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

fast: .venv/installed-dev
	$(BIN)/python $(PYTEST) -m "not slow" $(PYTEST_ARGS)

check: .venv/installed-dev
	$(BIN)/ruff check $(PYTHON_FOLDERS)
	$(BIN)/ruff format --check $(PYTHON_FOLDERS)
	$(BIN)/pyright

# Pages in build/site, which can be opened as files; broken links stop it.
docs: .venv/installed-dev
	$(BIN)/python docs/make_site.py
	$(BIN)/zensical build --strict

format: .venv/installed-dev
	$(BIN)/ruff check --fix $(PYTHON_FOLDERS)
	$(BIN)/ruff format $(PYTHON_FOLDERS)

# The fast tests on the oldest torch that is supported, in an environment of its own.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install -q "torch==2.6.*" "torchvision==0.21.*" -e ".[dev]"
	.venv-oldest/bin/python $(PYTEST) -m "not slow" $(PYTEST_ARGS)

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) torch torchvision --index-url $(TORCH_INDEX))

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing vit-adapter into .venv; torch is large, this takes some minutes ..."
	$(PIP) -e ".[train]"
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing vit-adapter and what its tests need into .venv ..."
	$(PIP) -e ".[dev]"
	@touch $@ .venv/installed

clean:
	rm -rf .venv .venv-oldest .pytest_cache .ruff_cache
