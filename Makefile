# make run · make test · make lint · make bench · make fuzz · make soak: each sets up what it needs on a fresh checkout.

VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench fuzz soak gpu screenshots pins clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

$(VENV)/run.ready: pyproject.toml constraints.txt tools/setup.sh
	tools/setup.sh run $(VENV)

$(VENV)/dev.ready: pyproject.toml constraints.txt tools/setup.sh
	tools/setup.sh dev $(VENV)

run: $(VENV)/run.ready ## Start the local Discord, the bot and the sandbox on this machine
	$(BIN)/tutor local

test: $(VENV)/dev.ready ## Run all tests
	tools/setup.sh browser $(VENV)
	tools/setup.sh services $(VENV)
	tools/setup.sh containers $(VENV)
	$(BIN)/python -m pytest

lint: $(VENV)/dev.ready ## Check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev.ready ## Measure: walled runs against cold ones, search and start-up
	tools/setup.sh bench $(VENV)
	$(BIN)/python tools/bench.py

fuzz: $(VENV)/dev.ready ## Paste damaged posts at the parser for ten minutes
	$(BIN)/python tools/fuzz_post.py --seconds 600

soak: $(VENV)/dev.ready ## Run 10,000 hostile snippets in a row, look for anything left; SOAK="--runs 500"
	$(BIN)/python tools/soak.py $(SOAK)

gpu: $(VENV)/dev.ready ## Run the tests and attacks that need a GPU, write figures into docs/gpu.md
	$(BIN)/python tools/gpu.py

screenshots: $(VENV)/dev.ready ## Take the pictures in docs/screenshots anew
	tools/setup.sh pictures $(VENV)
	$(BIN)/python tools/screenshots.py

pins: $(VENV)/dev.ready ## Write the versions installed now into constraints.txt
	$(BIN)/python tools/pins.py > constraints.new
	mv constraints.new constraints.txt

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
