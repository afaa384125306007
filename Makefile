# Every command a newcomer needs. Each sets up what it needs first; nothing is done twice.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
NATIVE := .venv-native
WASI   := backends/wasi/src/whisperctl_wasi
MODULES := whisper whisper-threads media $(patsubst wasm-build/%.c,%,$(wildcard wasm-build/processors/*.c))
WASM   := $(MODULES:%=$(WASI)/%.wasm)
# Every distribution but the core.
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard backends/*/pyproject.toml executors/*/pyproject.toml))
GUEST_SOURCES := $(shell find wasm-build -type f -not -path '*/__pycache__/*' -not -path '*/tests/*' -not -name '*.md')

# The environment is described by its own directory alone, so that an active one does not interfere.
# Modules are compiled once, not by each of the thousand processes that the tests start.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# What pywhispercpp is compiled with for this machine. Its setup.py hands every environment variable to
# CMake. One library with all in it needs no search path of its own, which only a repaired wheel has.
TUNED  := GGML_NATIVE=ON GGML_LLAMAFILE=ON BUILD_SHARED_LIBS=OFF CMAKE_POSITION_INDEPENDENT_CODE=ON
# Without AMX, which virtual machines announce and some then refuse to run; and without arithmetic in half
# precision, in which ggml adds up whole rows (less exactly) and computes heads of 64 one number at a time.
LEFT_OUT := $(foreach flag,-mno-amx-tile -mno-amx-int8 -mno-amx-bf16 -mno-avx512fp16, \
    $(shell $(CC) $(flag) -E -x c /dev/null >/dev/null 2>&1 && echo $(flag)))

# Says what is done and how long it took; what the command itself says is shown only if it fails.
define quietly
echo "  $(strip $(1))"; start=$$(date +%s); log=$$(mktemp); \
if $(2) >"$$log" 2>&1; then rm -f "$$log"; echo "  ... done in $$(($$(date +%s) - start)) s"; \
else code=$$?; cat "$$log" >&2; rm -f "$$log"; exit $$code; fi
endef

# Two files of tests at a time: most tests keep one processor busy. In the order of the command line,
# which begins with the longest files, or one processor would have nothing to do while they end.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
LONGEST  := tests/testing wasm-build executors

.PHONY: help demo test test-fast models fuzz browser check docs format bench bench-decoders bench-peers bench-subtitles soak experiment native profile wasm missing-module build lock setup clean distclean

help: ## list these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: setup wasm ## transcribe real speech on every backend and compare them
	$(BIN)/whisperctl models pull tiny.en
	@mkdir -p build
	$(BIN)/whisperctl compare samples/jfk.wav --model tiny.en --repeat 3 --no-warm-up --reference samples/jfk.txt --output build/demo.html

test: setup wasm browser models ## run all tests
	$(BIN)/python -m pytest $(PARALLEL) $(LONGEST) tests backends

test-fast: setup wasm models ## run the tests that need only seconds
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

models: setup ## have the models that tests need
	$(BIN)/whisperctl models pull tiny.en base

fuzz: MUTANTS ?= 2500
fuzz: SECONDS ?= 900
fuzz: setup wasm ## decode damaged recordings in the sandbox: MUTANTS, of all kinds, within SECONDS
	$(BIN)/python -m tests.fuzz --mutants $(MUTANTS) --seconds $(SECONDS)

BROWSERS := chromium chromium-browser google-chrome google-chrome-stable chrome microsoft-edge

# The page of `compare --format html` is tested in a real one. Without it those tests are skipped.
browser: ## have a Chromium for the tests of the HTML report, if that needs no password
	@test -n "$$WHISPERCTL_CHROMIUM" && exit 0; \
	for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the tests of the HTML report"; \
	    apt-get update -qq >/dev/null 2>&1; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium \
	        >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "No Chromium or Chrome: the tests of the HTML report in a browser will be skipped." \
	    "Install one, or set WHISPERCTL_CHROMIUM to its program."

bench: PLAN ?= bench/plan.toml
bench: setup wasm ## measure bench/plan.toml (or PLAN=...) and update docs/performance.md; BENCH="--resume" adds options
	$(BIN)/whisperctl models pull tiny.en base
	$(BIN)/python -m bench long build/jfk-long.wav
	$(BIN)/whisperctl compare --plan $(PLAN) --output build/bench.json $(BENCH)
	$(BIN)/python -m bench performance build/bench.json

bench-decoders: setup wasm ## measure the decoders on ten-minute recordings and update docs/sandbox.md (needs 4 GB of disk)
	$(BIN)/python -m bench decoders build/recordings

WHISPER_CTRANSLATE2 := 0.5.8
OPENAI_WHISPER := 20250625
SUBER := 0.4.0
TORCH := 2.13.0

# Each peer in a directory of its own. What cannot be had is left out, and the bench says so.
PEERS   := build/peers
LENGTHS ?= 11 180 600

bench-peers: setup wasm $(PEERS)/ctranslate2/.installed $(PEERS)/openai/.installed $(PEERS)/whisper.cpp/.installed ## measure whole commands against other programs' on LENGTHS seconds of speech, and update docs/performance.md
	$(BIN)/whisperctl models pull tiny.en
	$(BIN)/python -m bench peers $(PEERS) $(LENGTHS)

$(PEERS)/ctranslate2/.installed:
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	-@$(call quietly,Installing whisper-ctranslate2, $(@D)/bin/python -m pip install \
	    --disable-pip-version-check whisper-ctranslate2==$(WHISPER_CTRANSLATE2)) && touch $@

# The program looks for ffmpeg; a package has one where the machine has none.
$(PEERS)/openai/.installed:
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	-@$(call quietly,Installing openai-whisper and PyTorch, $(@D)/bin/python -m pip install \
	    --disable-pip-version-check torch==$(TORCH) openai-whisper==$(OPENAI_WHISPER) imageio-ffmpeg) && \
	    ln -sf "$$($(@D)/bin/python -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')" \
	        $(@D)/bin/ffmpeg && touch $@

# From the source that the backends are made from, with the flags of `make native`.
$(PEERS)/whisper.cpp/.installed: | $(VENV)/.installed
	@rm -rf $(@D) && mkdir -p $(@D) && $(PYTHON) -m venv $(@D)/tools
	-@$(call quietly,Compiling whisper-cli for this machine (a few minutes), sh -ec '\
	    $(@D)/tools/bin/python -m pip install --disable-pip-version-check cmake ninja; \
	    PATH="$(abspath $(@D))/tools/bin:$$PATH"; \
	    tar -xzf "$$($(BIN)/python wasm-build/source.py)" -C $(@D) --strip-components 2 --wildcards "*/whisper.cpp"; \
	    cmake -G Ninja -S $(@D) -B $(@D)/build -DCMAKE_BUILD_TYPE=Release $(TUNED:%=-D%) \
	        -DWHISPER_BUILD_TESTS=OFF -DWHISPER_BUILD_SERVER=OFF \
	        "-DCMAKE_C_FLAGS=$(strip $(LEFT_OUT))" "-DCMAKE_CXX_FLAGS=$(strip $(LEFT_OUT))"; \
	    cmake --build $(@D)/build --target whisper-cli') && touch $@

# Scores subtitles against a reference; sacrebleu and jiwer come with it, in versions of its own.
$(PEERS)/suber/.installed:
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	-@$(call quietly,Installing SubER, $(@D)/bin/python -m pip install \
	    --disable-pip-version-check subtitle-edit-rate==$(SUBER)) && touch $@

bench-subtitles: setup wasm $(PEERS)/ctranslate2/.installed $(PEERS)/whisper.cpp/.installed $(PEERS)/suber/.installed ## score subtitles against other programs', and update docs/subtitles.md
	$(BIN)/whisperctl models pull tiny.en
	$(BIN)/python -m bench subtitles $(PEERS)

soak: RECORDINGS ?= 10000
soak: WORKERS ?= 8
soak: setup ## lose workers and the scheduler of a cluster on this machine with RECORDINGS on WORKERS (half an hour)
	@rm -rf build/soak && mkdir -p build
	timeout 5400 $(BIN)/python -m bench soak build/soak $(RECORDINGS) $(WORKERS)

experiment: setup wasm ## measure the first experiment again and update docs/experiment.md
	$(BIN)/whisperctl models pull base
	@mkdir -p build
	$(BIN)/whisperctl compare samples/jfk.wav --backend native,wasi/wasmer,wasi/wasmtime --model base \
	    --threads 1 --repeat 5 --output build/experiment.json
	$(BIN)/python -m bench bench-decoders experiment build/experiment.json

profile: MODEL   ?= tiny.en
profile: MEDIA   ?= samples/jfk.wav
profile: RUNTIME ?= wasmtime
profile: THREADS ?= 1
profile: setup wasm ## profile a run by operation; MODEL, MEDIA, RUNTIME and THREADS select it
	$(BIN)/whisperctl models pull tiny.en
	$(BIN)/python wasm-build/profiling.py "$(MODEL)" "$(MEDIA)" "$(RUNTIME)" "$(THREADS)"

check: setup ## lint, formatting, types and the links of the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(SITE)

# Material for MkDocs is maintained until May 2027, and prints so at each start unless told not to.
# With --quiet, --strict would not see the warnings.
SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs: setup ## make docs/cli.md and the man page from help, and the site in build/site
	$(BIN)/python docs/reference.py docs
	$(SITE)

format: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wasm: setup $(WASI)/build.json ## build the WebAssembly modules

# build.json is written last and stands for the modules, unless one of them is gone.
$(WASI)/build.json: $(GUEST_SOURCES) $(VENV)/.installed $(if $(filter-out $(wildcard $(WASM)),$(WASM)),missing-module)
	@$(BIN)/python wasm-build/build.py

build: setup wasm ## build the wheels of all distributions into dist/
	rm -rf dist
	for dir in . $(PLUGINS); do \
	    $(BIN)/python -m build --no-isolation --outdir dist $$dir || exit 1; done

native: $(NATIVE)/.installed ## compile pywhispercpp for this machine, in an environment of its own

# PATH for the environment's own cmake; the version, as setup.py asks git for one.
$(NATIVE)/.installed: requirements-native.lock backends/native/pyproject.toml | $(VENV)/.installed
	@echo "Compiling pywhispercpp for this machine in $(NATIVE) (a few minutes)"
	@rm -rf $(NATIVE)
	@$(PYTHON) -m venv $(NATIVE)
	@$(call quietly,Installing what it is compiled with, $(NATIVE)/bin/python -m pip install \
	    --disable-pip-version-check --require-hashes -r requirements-native.lock)
	archive=$$($(BIN)/python wasm-build/source.py) && \
	    PATH="$(abspath $(NATIVE))/bin:$$PATH" $(TUNED) \
	    CMAKE_C_FLAGS="$(strip $(LEFT_OUT))" CMAKE_CXX_FLAGS="$(strip $(LEFT_OUT))" \
	    $(NATIVE)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --no-deps --no-build-isolation --no-cache-dir "$$archive"
	$(NATIVE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    -e . -e backends/native
	$(NATIVE)/bin/whisperctl backends | grep "LLAMAFILE = 1"
	@touch $@

setup: $(VENV)/.installed ## create the environment

# uv installs the same files in a quarter of pip's time. It does not read pip's configuration, which may
# name the only index within reach: pip then does it.
$(VENV)/.installed: requirements.lock pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	@echo "Setting up the environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^uv==/,!/\\$$/' requirements.lock >$(VENV)/uv.lock
	@$(call quietly,Installing what whisperctl stands on (up to three minutes the first time), sh -c '\
	    $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock && \
	    $(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock || \
	    $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock')
	@$(call quietly,Installing whisperctl and its plugins, \
	    $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation \
	    -e . $(PLUGINS:%=-e %))
	@touch $@

lock: setup ## resolve requirements.lock anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" \
	    --python-version 3.11 --group dev --output-file requirements.lock \
	    --no-emit-package whisperctl-asr $(foreach plugin,$(PLUGINS),--no-emit-package whisperctl-$(notdir $(plugin))) \
	    pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" \
	    --python-version 3.11 --group native --output-file requirements-native.lock \
	    --no-emit-package whisperctl-asr --no-emit-package whisperctl-native --no-emit-package pywhispercpp \
	    pyproject.toml backends/native/pyproject.toml

clean: ## remove what was built, keep the environment
	rm -rf build dist $(WASI)/*.wasm $(WASI)/processors/*.wasm $(WASI)/build.json .mypy_cache .ruff_cache .pytest_cache

distclean: clean ## remove the environment too
	rm -rf $(VENV) $(NATIVE)
