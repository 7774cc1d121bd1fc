#!/usr/bin/env bash
# Builds and tests the dbt project of examples/dbt in a throw-away cluster; its exit code is dbt's.
#   test-dbt.sh [ARG...]    arguments for `dbt build`, --select forecast for one
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/python.sh
. "$ROOT/scripts/python.sh"
need_setup
venv=$ROOT/target/dbt/venv

need_venv "$venv" examples/dbt/requirements.txt
scripts/install.sh dev
trap 'scripts/cluster.sh stop dbt' EXIT
scripts/cluster.sh start dbt dev preload
scripts/cluster.sh psql dbt -qc "CREATE DATABASE demo"
scripts/cluster.sh psql dbt -d demo -q -v ON_ERROR_STOP=1 -f demo/load.sql

say "dbt build"
FOLIO_HOST=$(scripts/cluster.sh path dbt) nice "$venv/bin/dbt" build --project-dir examples/dbt --profiles-dir examples/dbt \
  --target-path "$ROOT/target/dbt/target" --log-path "$ROOT/target/dbt/logs" "$@"
