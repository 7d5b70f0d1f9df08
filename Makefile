# All that one does with this project, a command each. What is longer than a line stands in .ci/setup.sh.
# Stamp files tell what is installed, so that a second run starts at once.

SETUP := sh .ci/setup.sh
BIN := .venv/bin
LIBRARIES := static/node_modules/.installed
PEERS := bench/peers/node_modules/.installed
CLIENTS := tests/clients/node/node_modules/.installed
DOCUMENTS := tests/documents/node_modules/.installed
# One process more than the two cores of a small machine, for many tests wait; each has a database of its own, and whoever
# is done takes tests from the others. In one process, for a debugger: make test ARGS="-n 0".
IN_PARALLEL := -n 3 --dist worksteal

# Several processes read the same modules over and over: let them be compiled once, whatever the environment prefers.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-faults test-clients check bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1#\2/p' Makefile | awk -F'#' '{printf "%-19s %s\n", $$1, $$2}'

run: .venv/.installed $(LIBRARIES) ## install what is missing and start the hub on http://localhost:3001
	@exec $(BIN)/python run.py

test: .venv/.installed-test $(LIBRARIES) $(DOCUMENTS) ## install what the tests need and run them all (make test ARGS="-k ledger")
	@$(SETUP) browser
	@$(SETUP) redis
	@exec $(BIN)/pytest $(IN_PARALLEL) $(ARGS)

# No more than there are cores: thousands of sockets are promised times, which a third beside them would take away.
test-faults: .venv/.installed-test ## the seeded faults at their full length, some minutes
	@HUB_FAULTS=long exec $(BIN)/pytest -n 2 --dist worksteal -m faults $(ARGS)

test-clients: .venv/.installed-test .venv/.installed-clients $(CLIENTS) ## programs of others as the hub's clients
	@exec $(BIN)/pytest tests/clients $(ARGS)

check: .venv/.installed-check ## style, types, and the syntax of the page's scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(SETUP) scripts

bench: .venv/.installed-bench $(PEERS) ## measure CPU per request, chunk and frame, beside others' servers
	@exec $(BIN)/python -m bench $(ARGS)

clean: ## remove what was installed and cached; the data folder stays
	rm -rf .venv static/node_modules bench/peers/node_modules tests/clients/node/node_modules
	rm -rf tests/documents/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: setup.cfg pyproject.toml
	@$(SETUP) install
	@touch $@

.venv/.installed-test: .venv/.installed
	@$(SETUP) install test
	@touch $@

.venv/.installed-clients: .venv/.installed
	@$(SETUP) install clients
	@touch $@

.venv/.installed-check: .venv/.installed
	@$(SETUP) install check
	@touch $@

.venv/.installed-bench: .venv/.installed
	@$(SETUP) install bench
	@touch $@

$(LIBRARIES): static/package-lock.json
	@$(SETUP) page
	@touch $@

$(PEERS): bench/peers/package-lock.json
	@$(SETUP) peers
	@touch $@

$(CLIENTS): tests/clients/node/package-lock.json
	@$(SETUP) clients
	@touch $@

$(DOCUMENTS): tests/documents/package-lock.json
	@$(SETUP) documents
	@touch $@
