# Two commands for a fresh machine with git, make and Python >= 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than cores: tests wait for the disk and for each other.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
MIGRATIONS ?= $(CASES)/../migration_cases.json

# The shims share variables through shim.sh, which they read where it is installed; @WORDS@ are filled in by then.
SHIMS_SHARE := --shell=sh --severity=warning --exclude=SC2034,SC2154,SC2157
NPM_CLIENTS := @anthropic-ai/claude-code @openai/codex @google/gemini-cli @github/copilot

.PHONY: demo test lint torture bench replay clients clean

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "agentsync needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/agentsync demo --clone .

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck $(SHIMS_SHARE) hooks/*

test: lint
	$(BIN)/pytest -n $(JOBS) -q -m 'not torture'

torture: $(VENV)/.ready
	$(BIN)/pytest -n $(JOBS) -q --hypothesis-profile search -m 'torture or hypothesis'

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/run.py

# CASES: a folder of *.jsonl and migration_cases.json (docs/benchmarks.md); CLONES: full clones as OWNER+NAME/repo
replay: $(VENV)/.ready
	$(BIN)/python benchmarks/replay/drivers.py $(CASES) $(CLONES)
	$(BIN)/python benchmarks/replay/cohorts.py $(CLONES)
	$(BIN)/python benchmarks/migrations/replay.py $(MIGRATIONS) $(CLONES)

# The real clients (from npm, nobody logged in) against a model on loopback.
clients: $(VENV)/.ready
	@command -v npm >/dev/null || { echo "make clients needs Node.js 20 or newer, and npm"; exit 1; }
	npm install --silent --no-audit --no-fund --prefix .clients $(NPM_CLIENTS)
	@cd .clients/node_modules/@anthropic-ai/claude-code && { [ ! -f install.cjs ] || node install.cjs; } # where npm runs no scripts
	$(BIN)/python benchmarks/clients/run.py .clients/node_modules/.bin

clean:
	rm -rf .clients $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
