# Every command a newcomer needs. Each sets up what it needs first; nothing is done twice.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
WASI   := backends/wasi/src/whisperctl_wasi
WASM   := $(WASI)/whisper.wasm $(WASI)/whisper-threads.wasm
GUEST_SOURCES := $(shell find wasm-build -type f -not -path '*/__pycache__/*' -not -path '*/tests/*' -not -name '*.md')

# The environment is described by its own folder alone, so that an active one does not interfere.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: help demo test test-fast check format bench wasm build lock setup clean distclean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: setup wasm ## transcribe real speech on every backend and compare them
	$(BIN)/whisperctl models pull tiny.en
	$(BIN)/whisperctl compare samples/jfk.wav --model tiny.en

test: setup wasm ## run all tests
	$(BIN)/whisperctl models pull tiny.en base
	$(BIN)/python -m pytest

test-fast: setup wasm ## run the tests that need only seconds
	$(BIN)/python -m pytest -m "not slow"

bench: setup wasm ## measure every backend with both models, on one and two threads
	$(BIN)/whisperctl models pull tiny.en base
	for model in tiny.en base; do for threads in 1 2; do \
	    $(BIN)/whisperctl compare samples/jfk.wav --model $$model --threads $$threads --beam-size 1 \
	        || exit 1; done; done

check: setup ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wasm: setup $(WASI)/build.json ## build the WASI modules

$(WASI)/build.json: $(GUEST_SOURCES) $(VENV)/.installed
	$(BIN)/python wasm-build/build.py

build: setup wasm ## build the wheels of all distributions into dist/
	for dir in . backends/native backends/wasi; do \
	    $(BIN)/python -m build --no-isolation --outdir dist $$dir || exit 1; done

setup: $(VENV)/.installed ## create the environment

$(VENV)/.installed: requirements.lock pyproject.toml backends/native/pyproject.toml backends/wasi/pyproject.toml
	@echo "Setting up the environment in $(VENV) (about a minute the first time)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    -e . -e backends/native -e backends/wasi
	@touch $@

lock: setup ## resolve requirements.lock anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" \
	    --python-version 3.11 --group dev --output-file requirements.lock \
	    --no-emit-package whisperctl-asr --no-emit-package whisperctl-native --no-emit-package whisperctl-wasi \
	    pyproject.toml backends/native/pyproject.toml backends/wasi/pyproject.toml

clean: ## remove what was built, keep the environment
	rm -rf build dist $(WASI)/*.wasm $(WASI)/build.json .mypy_cache .ruff_cache .pytest_cache

distclean: clean ## remove the environment too
	rm -rf $(VENV)
