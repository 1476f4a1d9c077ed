# fedsilo: every target sets up what it needs by itself, from nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCENARIO ?= scenarios/quickstart.yaml
RUNS ?= 50
FAULTS := --kill client:0.03 --kill encoder:0.15 --kill coordinator:0.03 --kill driver:0.04 --kill node:0.05 \
	--hang client:0.006 --hang encoder:0.02 --hang coordinator:0.01 --raise client:0.008 --raise encoder:0.03 \
	--exhaust client:0.015 --damage checkpoint:0.04 --fill store:0.06 --fill disk:0.03
export RAY_ENABLE_UV_RUN_RUNTIME_ENV := 0
export RAY_USAGE_STATS_ENABLED := 0

.DEFAULT_GOAL := help
.PHONY: help run dashboard test check slow lint types contracts format backbone table benchmarks results chaos clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

run: $(READY) ## Run the quickstart scenario (or SCENARIO=path) and print its accuracy table
	$(BIN)/fedsilo run $(SCENARIO)

dashboard: $(READY) ## Run SCENARIO with the Ray dashboard and, where it is installed, Prometheus
	$(BIN)/python deploy/monitoring/watch.py $(SCENARIO)

test: $(READY) ## Run the quick tests
	$(BIN)/python -m pytest -q -m 'not slow' -n auto --maxprocesses 4 --dist worksteal

slow: $(READY) ## Run the tests that take longer
	$(BIN)/python -m pytest -q -m slow -n 2 --dist worksteal

check: lint types contracts test slow ## Format, lint, types, import contracts, all tests

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pydoclint --quiet platform actors

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

format: $(READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

backbone: $(READY) ## Pretrain fedsilo-tiny from nothing and print its table (about half an hour on 2 cores)
	$(BIN)/python -m fedsilo.models.pretraining

benchmarks: $(READY) ## Print the ratios of all benchmarks
	$(BIN)/python benchmarks/text_tower.py
	$(BIN)/python benchmarks/exchange.py
	$(BIN)/python benchmarks/methods.py
	$(BIN)/python benchmarks/compositions.py
	$(BIN)/python benchmarks/private_step.py
	$(BIN)/python benchmarks/secure_sum.py
	$(BIN)/python benchmarks/decoding.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/towers.py
	$(BIN)/python benchmarks/flower.py
	$(BIN)/python benchmarks/startup.py

results: $(READY) ## Compare all methods and write docs/results.md (add ARGUMENTS="--seeds 0 training.rounds=1" to try it)
	$(BIN)/python benchmarks/results.py $(ARGUMENTS)

chaos: $(READY) ## Run a small scenario 50 times (RUNS=) under all faults; the table goes to docs/faults.md
	$(BIN)/fedsilo chaos scenarios/faults.yaml $(FAULTS) --runs $(RUNS) --markdown docs/faults.md

clean: ## Remove the environment and everything that was built; runs stay
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
