# Every command of the project. PG=17 chooses another Postgres, PG_CONFIG=/path/to/pg_config one that is not Debian's.
# This file only names things; scripts/ does them.
PG ?= 15
export PG
ifdef PG_CONFIG
export PG_CONFIG
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-stop bi bi-stop test-bi test-clients test-dbt test test-engine test-pg test-install test-upgrade test-trusted test-regress test-cluster test-package test-pg-upgrade majors soak valgrind calendars evaluate families peers bench fmt lint docs book package release install clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (apt packages, cargo-pgrx, XGBoost); the other commands do it by themselves
	@scripts/setup.sh

DEMO ?=
demo: $(if $(filter package,$(DEMO)),,setup) ## forecasts and a portfolio from real prices, in a cluster that goes on running; DEMO=package builds nothing
	@DEMO=$(DEMO) scripts/demo.sh

demo-stop: ## end the demo's cluster
	@scripts/demo.sh stop

bi: ## a Superset dashboard over the demo's cluster (make demo first); BI_PORT=8088
	@scripts/bi.sh

bi-stop: ## end Superset
	@scripts/bi.sh stop

test-bi: ## every chart of the dashboard in Chromium, at a desktop's and a phone's width (make demo first)
	@scripts/bi.sh test

test-clients: setup ## every function with values bound by psycopg, asyncpg, SQLAlchemy, pg8000, ADBC, ODBC and node
	@scripts/test-clients.sh

test-dbt: setup ## the dbt project of examples/dbt in a throw-away cluster
	@scripts/test-dbt.sh

test: setup ## everything: format, lint, engine, #[pg_test], installing, updating, pg_regress, clients of a real cluster
	@scripts/test.sh

test-engine: setup ## the tests of the engine and the charts only, without Postgres
	@scripts/test.sh engine

test-pg: setup ## the #[pg_test]s only, inside a backend
	@scripts/test.sh pg

test-install: setup ## installing only: into a copy of the server, beside it, and while it runs
	@scripts/test.sh install

test-upgrade: setup ## updating only: a desk of every released version, and a dump of it
	@scripts/test.sh upgrade

test-trusted: setup ## creating as a database's owner only: what he may, and what he may not
	@scripts/test.sh trusted

test-regress: setup ## pg_regress only: what psql prints
	@scripts/test.sh regress

test-cluster: setup ## the client tests only: cancel, threads, concurrency
	@scripts/test.sh cluster

majors: ## pg_regress and the clients of sessions and faults on Postgres 16, 17 and 18; fetches servers that are missing
	@scripts/majors.sh

test-package: setup ## the .deb in clean roots of Debian 12 and 13 (make package, make package PG=17 before); needs root
	@scripts/test-package.sh

test-pg-upgrade: ## pg_upgrade of a cluster with a desk from Postgres 15 to 18; fetches a server that is missing
	@scripts/test-pg-upgrade.sh

MINUTES ?= 30
soak: setup ## what takes long: 1,000 cancels, mixed calls for MINUTES (30), the budget in numbers
	@scripts/soak.sh $(MINUTES)

FILES ?=
valgrind: setup ## pg_regress (or FILES="desk charts") in a server under valgrind, an hour: no error with our functions
	@scripts/valgrind.sh $(FILES)

calendars: ## the trading days of the exchanges anew, from the package that bench/calendars/requirements.txt names
	@scripts/calendars.sh

STRIDE ?= 7
evaluate: setup ## what the forecasts are worth: 20 stocks, 32 years, every STRIDE days (7); 45 minutes of CPU time
	@scripts/evaluate.sh $(STRIDE)

families: setup ## what they are worth on synthetic and short series; 3 minutes of CPU time
	@cargo run --quiet -p folio-core --example families

peers: setup ## after evaluate: the same beside statsforecast and mlforecast, at every 6th of its origins
	@scripts/evaluate.sh peers

bench: setup ## the engine's benchmarks
	@cargo bench -p folio-core

fmt: ## format every Rust file
	@scripts/fmt.sh

lint: setup ## clippy and shellcheck, warnings denied
	@scripts/test.sh fmt lint

docs: setup ## the API documentation of the engine and the charts, in target/doc
	@cargo doc --no-deps -p folio-core -p folio-chart

book: setup ## the documentation as a book with a reference, target/book/index.html
	@scripts/book.sh

package: setup ## a release for PG in target/packages: .deb with debug symbols apart, .rpm, tar, PGXN's zip, images
	@scripts/package.sh

VERSION ?=
release: ## the version VERSION in every file that names one, and its notes from the changelog
	@scripts/release.sh $(VERSION)

install: setup ## build a release and install it into the Postgres of PG_CONFIG (sudo if needed)
	@scripts/install.sh machine

clean: ## stop this checkout's clusters and remove all that was built
	@scripts/clean.sh
