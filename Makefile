# make demo    set everything up, then the main job, offline, on real images
# make test    set everything up, then every test
# make check   format, lint, types, layers
# make docs    run what the pages show, and put what is true in its place
# make campaign-kill   200 kills at random moments, each workspace looked at

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: setup demo test check campaign-kill docs help-page clean

setup: $(READY)

# torch comes first and alone: whichever build the machine offers stays, nothing after it may replace it.
$(READY): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) "pip>=25.1" hatchling editables
	$(PIP) torch==2.13.0
	$(PIP) --no-build-isolation --editable ".[torch,fits,heif,open_clip,transformers,onnx,openvino,training,umap,index]" --group dev
	touch $(READY)

demo: setup
	$(BIN)/boda demo

# Two processes, each of one thread: threads that wait for each other on two cores cost more than they gain.
test: setup
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

campaign-kill: setup
	$(BIN)/python -m pytest tests/campaigns/test_kill.py --kills 200

docs: setup
	$(BIN)/python docs/run_docs.py --write

help-page: setup
	$(BIN)/python -m boda.cli.help_page docs/help.md

clean:
	rm -rf $(VENV) demo dist build
