# Everything works on a clean clone with python3.11+ and make.
# 3.11 is the version everything was tested with
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# the suite runs in two processes, a file of tests to each, the long commands first; JOBS=1 runs it in one
JOBS ?= 2
SPREAD := $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile --no-loadscope-reorder)
PRODUCT := $(VENV)/.installed
WORKSHOP := $(VENV)/.installed-dev

.PHONY: demo test check house pythons site release teacher pycuda clean

demo: $(PRODUCT)  ## distil, export, measure and report on rendered faces
	$(BIN)/distill-and-export --demo --out runs/demo

test: $(WORKSHOP)  ## the whole suite
	$(BIN)/python -m pytest $(SPREAD)

check: $(WORKSHOP)  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini

house: $(WORKSHOP)  ## sizes and order of the rooms, and the walks through them
	$(BIN)/python tools/house.py
	$(BIN)/python tools/walks.py

pythons: $(WORKSHOP)  ## the base install under every Python found here
	$(BIN)/python tools/pythons.py

site: $(WORKSHOP)  ## the documentation as a site, in build/site; a broken link fails
	$(PIP) --group docs
	$(BIN)/mkdocs build --strict --quiet

release: $(WORKSHOP)  ## wheels, source archive, bill of materials and their sums, in dist
	$(PIP) --group release
	$(BIN)/python tools/release.py

teacher: $(PRODUCT)  ## train the shipped demo teacher again
	$(BIN)/embedge train-teacher --recipe demo-teacher --out train/teachers/rendered.safetensors

pycuda: $(WORKSHOP)  ## build pycuda without a GPU (needs g++), so that the fake driver tests it too
	$(BIN)/python tests/support/build_pycuda.py

# torch is pinned: an unpinned one would bring gigabytes of CUDA to a machine that has none
$(PRODUCT): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "embedge needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[train,export]'
	touch $@

# rtx and cuda let NVIDIA's real parser, builder and bindings check our graphs and calls without a GPU
$(WORKSHOP): $(PRODUCT)
	$(PIP) --group dev --editable '.[train,export,rtx,cuda]'
	touch $@

clean:
	rm -rf $(VENV) runs
