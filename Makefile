# The commands of the project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

SERVER := .venvs/server/bin
DESK := .venvs/desk/bin
# Where real files are, for `make run DATA=…`; empty: seeded synthetic files.
DATA ?=
PORT ?= 8520
# spatialite (the embedded database) or postgis.
ENGINE ?= spatialite

.PHONY: help setup run server test test-slow lint format translations package bench screenshots clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Install what is missing (Debian 12) and make the two environments
	@scripts/setup.sh

run: setup  ## Do the main job: server, sample data (or DATA=folder), the plugin in QGIS
	@scripts/run.sh "$(DATA)"

server: setup  ## Serve the demonstration's data on PORT until Ctrl-C (ENGINE=postgis: on a private PostgreSQL)
	@scripts/serve.sh "$(DATA)" "$(PORT)" "$(ENGINE)"

test: setup lint  ## Everything that must hold, in under 20 minutes
	@scripts/test.sh

test-slow:  ## What takes longer: every real file, every system call that can fail (docs/faults.md)
	@scripts/setup.sh with-compiler
	@scripts/test.sh slow

lint: setup  ## ruff, mypy, no name that only Qt 5 has, and the zip as plugins.qgis.org checks it
	@$(SERVER)/ruff check .
	@$(SERVER)/ruff format --check .
	@$(SERVER)/mypy & types=$$!; \
	QT_QPA_PLATFORM=offscreen $(DESK)/python scripts/qt5_names.py qgis_plugin shared && scripts/package.sh \
		&& .venvs/checks/bin/python scripts/check_package.py build/safestats.zip; \
	others=$$?; wait $$types && exit $$others

format: setup  ## Let ruff put the source in order
	@$(SERVER)/ruff check --fix .
	@$(SERVER)/ruff format .

translations:  ## Gather the plugin's texts for translators into build/safestats.ts
	@python3 scripts/translations.py build/safestats.ts

package: setup  ## Build the plugin's zip into build/
	@scripts/package.sh

bench: setup  ## Measure, each figure beside a peer in the same run (NAME=… for one)
	@$(SERVER)/python -m safestats.benchmarks $(NAME)

screenshots: run  ## Renew the pictures in docs/images from the demonstration
	@scripts/renew_images.sh

clean:  ## Remove what was built (the environments stay)
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -not -path './.venvs/*' -prune -exec rm -rf {} +
