# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
GIBIBYTES := 8

.PHONY: help setup lock faiss-gpu demo check test test-gpu lint schema docs bench clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(STAMP) ## Make .venv from the pinned requirements

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "error: $(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "error: $(PYTHON) has no venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < $(GIBIBYTES) << 30)' \
		|| { echo "error: less than $(GIBIBYTES) GiB are free here; the packages need that much" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --constraint requirements.lock uv
	$(BIN)/python envs/uv_like_pip.py pip install --no-deps --compile-bytecode --requirement requirements.lock
	@touch $@

lock: setup ## Pin requirements.in and everything below it anew
	$(BIN)/python envs/uv_like_pip.py pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links requirements.in --output-file requirements.lock
	sed -n 's/^faiss-cpu/faiss-gpu/p' requirements.lock > envs/faiss-gpu.in
	$(BIN)/python envs/uv_like_pip.py pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --constraint requirements.lock \
		envs/faiss-gpu.in --output-file envs/faiss-gpu.lock
	rm envs/faiss-gpu.in

faiss-gpu: setup ## Replace faiss-cpu in .venv with faiss-gpu (CUDA 12; Linux, x86-64)
	$(BIN)/python envs/uv_like_pip.py pip uninstall faiss-cpu
	$(BIN)/python envs/uv_like_pip.py pip install --no-deps --compile-bytecode --requirement envs/faiss-gpu.lock

demo: setup ## Run the default study on real images and print where its report is
	@echo "Elsewhere this took 4 minutes on two cores of a new processor (AMD EPYC, Zen 5), at most 12 on an older one with AVX2 alone."
	$(BIN)/snakemake --cores all
	@$(BIN)/python workflow_scripts/print_headline.py --tables results/emoji/tables \
		--summaries results/emoji/subsets/*/summary.json --report results/emoji/report.html \
		--sets baseline sketch_pruned random_sketch near_sketch combined_pruned reference_only

check: lint ## Check style and run the unit tests, in a few minutes
	$(BIN)/pytest tests/unit --numprocesses 2

# Three files at a time suit two processors: the cluster's tests mostly wait.
test: setup ## Run every test
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# One process: tests that share a card would take each other's memory.
test-gpu: setup ## Test and measure on a GPU; without one it refuses
	@$(BIN)/python tests/gpu/card.py
	$(BIN)/pytest tests/gpu tests/unit/similarity/gpu/test_kernels.py tests/unit/similarity/gpu/test_bound.py -rP
	$(BIN)/pytest tests/unit/similarity/test_engines.py -k GPU
	PYTHONPATH=workflow_scripts:benchmarks $(BIN)/python benchmarks/search.py --dimensions 640 \
		--tests 50000 166963 --chunk 4000000 --ranks 4
	PYTHONPATH=workflow_scripts:benchmarks $(BIN)/python benchmarks/embedding.py --images 8000 --batch-size 256 --workers 8

lint: setup ## Check style, types, layers and the workflow's form
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=workflow_scripts $(BIN)/lint-imports --no-logo
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/python tests/lint_workflow.py

schema: setup ## Write schemas/ and docs/config.md from the config's models
	$(BIN)/python workflow_scripts/document_config.py --schema schemas/config.schema.json --reference docs/config.md

docs: setup ## Build the documentation as a site to read offline
	rm -rf docs/_build
	$(BIN)/sphinx-build -M html docs docs/_build --fail-on-warning --keep-going --quiet
	@echo docs/_build/html/index.html

bench: setup ## Measure speed against peers
	mkdir -p results/benchmarks
	for what in search memory deduplication gpu_work input embedding streaming selection dag browse; do \
	  echo "benchmark: $$what"; PYTHONPATH=workflow_scripts:benchmarks:tests \
	  $(BIN)/python benchmarks/$$what.py > results/benchmarks/$$what.md || exit 1; done

clean: ## Delete .venv, caches, the site and Snakemake's records; results stay
	rm -rf $(VENV) docs/_build .snakemake .mypy_cache .ruff_cache .pytest_cache .hypothesis
