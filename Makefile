# `make demo` and `make test` do everything on a machine that has Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Two OpenMP pools on the same cores can make a fit a thousand times slower.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-all check format bench clean

help:
	@echo "make demo      install, search a real table for a minute, show the leaderboard"
	@echo "make test      install what the tests need and run them (test-all: the slow ones too)"
	@echo "make check     ruff, ruff format, mypy --strict, import-linter"
	@echo "make format    let ruff mend what it can"
	@echo "make bench     the benchmarks that need nothing but this repository"

demo: $(VENV)/.installed
	$(BIN)/autometa tune examples/credit-g.csv --target class --time-limit 60 --seed 0

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $${PYTEST_WORKERS:-2} --dist worksteal -m "not slow and not network and not gpu"

test-all: $(VENV)/.installed-dev
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n $${PYTEST_WORKERS:-2} --dist worksteal -m "not network"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/tune_overhead.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "autometa needs Python 3.11, 3.12 or 3.13, not $$($(PYTHON) -V). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -e '.[boosting]' -c constraints.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e '.[boosting,check,test]' -c constraints.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
