# The daily commands. Each makes what it needs; nothing has to be installed first but git, make and Python 3.11 or later.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest

.PHONY: demo demo-down demo-mesh mesh-down test test-red test-long lint format docs site lock bench tools version notes dist publish clean

# The main job, from nothing, against a real API server; the cluster stays up until `make demo-down`.
demo: $(VENV)/.ready
	@$(BIN)/python -m dev.demo up

demo-down:
	@$(PYTHON) -m dev.demo down

# The release in a real mesh, with traffic; needs root, iproute2 and iptables. It ends by itself.
demo-mesh: $(VENV)/.ready
	@$(BIN)/python -m dev.mesh.demo

# The clean-up after a test or demo of the mesh that was killed.
mesh-down: $(VENV)/.ready
	@$(BIN)/python -m dev.mesh.lab down

# Every test, shared by two processes, or those that ARGS names, by one. What could not be built is told here, and by the
# tests that miss it.
test: $(VENV)/.ready
	@$(if $(ARGS),:,$(BIN)/python -m dev.toolchain >/dev/null || true)
	@$(PYTEST) $(or $(ARGS),--numprocesses 2 --no-loadscope-reorder)

# The counter-proof of the mesh's tests: what each proves is taken away, and it must fail.
test-red: $(VENV)/.ready
	@$(PYTEST) tests/mesh --red $(ARGS)

# Fuzzing and whatever else takes longer than a pause.
test-long: $(VENV)/.ready
	@$(PYTEST) tests/long $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

format: $(VENV)/.ready
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Write the pages that are made from the program's own tables, and the chart's list of values.
docs: $(VENV)/.ready
	@$(BIN)/python -m dev.docs
	@$(BIN)/python -m dev.chart_docs

# The documentation as a site, in build/site/html. A link that leads nowhere ends it.
site: $(VENV)/.ready
	@$(BIN)/python -m dev.site

# Raise every locked package to its newest version. No address gets into the file.
lock: $(VENV)/.ready
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --extra dev --strip-extras --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml

bench: $(VENV)/.ready
	@$(BIN)/python benchmarks/run.py $(ARGS)

# Build or fetch every program that the demo and the tests run.
tools: $(VENV)/.ready
	@$(BIN)/python -m dev.toolchain

# Raise the one version of chart, plugin and package: make version V=0.2.0
version: $(VENV)/.ready
	@$(BIN)/python -m dev.version $(V)

# What CHANGELOG.md says of the version.
notes: $(VENV)/.ready
	@$(BIN)/python -m dev.changelog

# What is released, into dist/. ARGS says which key signs it, or that none does: make dist ARGS=--unsigned
dist: $(VENV)/.ready
	@$(BIN)/python -m dev.release $(ARGS)

# Chart and plugin of dist/ into an OCI registry: make publish REGISTRY=registry.example.com/team
publish: $(VENV)/.ready
	@$(BIN)/python -m dev.release.publish $(REGISTRY) $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/.ready: requirements.lock pyproject.toml dev/bootstrap.py
	@$(if $(PYTHON),,$(error no Python 3.11 or later was found; name one with PYTHON=))
	@$(PYTHON) -m dev.bootstrap $(VENV)
	@touch $@
