# make demo   replaces a face in a real EXR sequence, in faceplate-demo/
# make test   all tests; those that need a GPU, Blender or the corpus say so and are skipped without
# make lint   style, types, import directions
# make check  the same, and the fast tests
# make addons the extension for Blender and the scripts for DaVinci Resolve, as zips in dist/
# make bpy    Blender as a Python module, which its tests run in; needs Python 3.11
# make clean  removes what make has made, faceplate-demo/ included
#
# Each of them makes .venv first, from the package index, and only when the requirements have changed.

# Set these to choose: make demo PYTHON=python3.12 COMPUTE=cpu
PYTHON ?=
COMPUTE ?= $(shell nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)
COMPUTE := $(COMPUTE)

# An environment does not survive being moved, and holds one kind of compute: the stamp says where and which.
STAMP := .venv/.installed
STALE := $(shell [ "$$(cat $(STAMP) 2>/dev/null)" = "$(COMPUTE) $$(pwd)" ] || echo yes)
ifeq ($(STALE),yes)
.PHONY: $(STAMP)
endif

# To choose, on a machine with more than two cores: make test PARALLEL="-n 4 --dist loadfile". The tests of a file share an
# engine. On two cores that saves a third, but what waits for an answer may wait too long.
PARALLEL ?=

# The Blenders that tests run in; the first one builds the extension.
BLENDERS := 5.0 4.5
BUILDER := .bpy/5.0/bin/python .bpy/5.0/lib/python3.11/site-packages/bpy/5.0/scripts/addons_core/bl_pkg/cli/blender_ext.py

.PHONY: demo test lint check clean addons bpy

demo: $(STAMP)
	.venv/bin/faceplate demo

test: $(STAMP) bpy
	.venv/bin/python -m pytest $(PARALLEL)

lint: $(STAMP)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright --pythonpath .venv/bin/python
	.venv/bin/lint-imports

check: lint
	.venv/bin/python -m pytest $(PARALLEL) -m "not slow and not corpus and not gpu and not blender"

addons: $(STAMP) .bpy/5.0/.installed
	.venv/bin/python -m engine.hosts dist build/wheels $(BUILDER) build

bpy: $(BLENDERS:%=.bpy/%/.installed)

clean:
	rm -rf .venv .bpy build dist faceplate-demo *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find engine kernels tests benchmarks host_addons -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Faceplate needs Python 3.11 or newer, and found none. Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "Installing into .venv, about a minute …"; \
	rm -f $(STAMP); \
	"$$python" -m venv --clear .venv; \
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e '.[$(COMPUTE),demo,test,check,models]'; \
	echo "$(COMPUTE) $$(pwd)" > $(STAMP)

# Where there is no Python 3.11, or no Blender for this system, there is no stamp, and the tests say why they skip.
.bpy/%/.installed: tests/blender/requirements-%.txt
	@for python in python3.11 .venv/bin/python; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && break; python=; \
	done; \
	if [ -z "$$python" ]; then echo "No Python 3.11, which Blender $* needs: its tests are skipped."; exit 0; fi; \
	echo "Installing Blender $* into .bpy/$*, about a minute …"; \
	rm -f $@; \
	"$$python" -m venv --clear .bpy/$* && \
	.bpy/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $< && \
	touch $@ || echo "Blender $* cannot be installed: its tests are skipped."
