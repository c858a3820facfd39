# Two commands: `make all` runs the default study, `make test` the tests. Each sets up .venv first if need be.
# `make open` shows the page of a study: make open STUDY=tiny.
# TORCH_BACKEND=cpu|auto|cu130|... chooses torch's build, CORES the number of Snakemake's cores.
TORCH_BACKEND ?= cpu
CORES ?= 4
STUDY ?= default
export TORCH_BACKEND

BIN := .venv/bin
LOCKED := envs/requirements.txt envs/uv.txt envs/install.sh pyproject.toml
RUN_STAMP := .venv/.installed-$(TORCH_BACKEND)
DEV_STAMP := .venv/.installed-dev-$(TORCH_BACKEND)

.PHONY: all open setup test test-gpu check docs lock clean

all: setup
	$(BIN)/snakemake --cores $(CORES) all

# By the system's own browser; where there is none, the address is there to copy.
open: setup
	@$(BIN)/python -m superres.report.open "results/$(STUDY)/report/index.html"

setup: $(RUN_STAMP)

# A process for each processor; tests/conftest.py says which tests stay together.
test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder

# What holds on an NVIDIA GPU, in one screen: its tests, and studies/gpu-smoke.yaml.
test-gpu: $(DEV_STAMP)
	$(BIN)/python benchmarks/check_gpu.py --cores $(CORES)

# Snakemake's plugin for Slurm, for the tests that start a Slurm: apart, because Snakemake imports every plugin
# that it finds, and this one brings pandas into each of a study's processes.
.venv/cluster: $(DEV_STAMP) envs/cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $@ -r envs/cluster.txt
	touch $@

check: $(DEV_STAMP)
	bash .ci/checks

$(RUN_STAMP): $(LOCKED)
	sh envs/install.sh envs/requirements.txt
	touch $@

$(DEV_STAMP): $(LOCKED) envs/dev.txt envs/types.txt envs/checkpoints.txt
	sh envs/install.sh envs/requirements.txt envs/dev.txt
	touch $@ $(RUN_STAMP)

# What is generated: the reference of a study's keys, the schema that editors read, tables and pictures of the pages.
docs: $(DEV_STAMP)
	$(BIN)/python -m superres.study.reference
	$(BIN)/python docs/make/graphs.py
	$(BIN)/python docs/make/pages.py

lock: $(DEV_STAMP)
	sh envs/lock.sh

clean:
	rm -rf .venv .snakemake results
