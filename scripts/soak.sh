#!/usr/bin/env bash
# soak.sh [MINUTES]   what takes too long for every test run: the storm of 1,000 cancels, mixed calls of 16 sessions for
#                     MINUTES (30), the budget in numbers against none, and pgbench -S beside 8 sessions that compute
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
export FOLIO_TEST_SOAK=${1:-30}
trap 'scripts/cluster.sh stop soak' EXIT

with_cluster() {
  local conf=$1
  shift
  scripts/cluster.sh start soak dev "$conf" "$@"
  FOLIO_TEST_HOST=$(scripts/cluster.sh path soak)
  export FOLIO_TEST_CONF=$conf FOLIO_TEST_HOST
}

soak_test() {
  local features=(--features soak)
  [ "$FOLIO_TEST_CONF" = default ] || features=(--features "soak,$FOLIO_TEST_CONF")
  cargo test -q -p cluster-tests "${features[@]}" --test "$1" "$2" -- --nocapture --test-threads=1
}

# Transactions a second of pgbench -S, alone and beside 8 sessions that compute.
pgbench_beside() {
  local bin calls=() tps
  bin=$(server_path dev bindir)
  [ -n "$(scripts/cluster.sh psql soak -Atc "SELECT 1 FROM pg_extension WHERE extname = 'pg_folio'")" ] ||
    scripts/cluster.sh psql soak -q -f demo/load.sql
  "$bin/pgbench" -h "$FOLIO_TEST_HOST" -U postgres -i -q postgres 2>/dev/null
  transactions() { "$bin/pgbench" -h "$FOLIO_TEST_HOST" -U postgres -S -c 2 -T 10 postgres 2>/dev/null | awk '/^tps/ {printf "%d", $3}'; }
  tps=$(transactions)
  for _ in 1 2 3 4 5 6 7 8; do
    timeout 12 "$bin/psql" -X -h "$FOLIO_TEST_HOST" -U postgres -qAto /dev/null \
      -c 'SET folio.progress_notices = off' -c 'SELECT folio.forecast_ensemble() FROM generate_series(1, 100)' 2>/dev/null &
    calls+=($!)
  done
  sleep 1
  printf 'pgbench -S, %s: %d tps alone, %d beside 8 sessions that compute\n' "$1" "$tps" "$(transactions)"
  kill "${calls[@]}" 2>/dev/null || :
  wait
}

scripts/install.sh dev
with_cluster default
soak_test soak the_budget_in_numbers
pgbench_beside "no budget"
with_cluster preload
soak_test soak the_budget_in_numbers
soak_test soak many_sessions_do
pgbench_beside "budget of every core"
scripts/cluster.sh psql soak -qc 'ALTER SYSTEM SET folio.max_threads = 1'
scripts/cluster.sh restart soak
pgbench_beside "budget of one thread"
with_cluster preload
soak_test budget many_sessions
soak_test session timeout
soak_test faults cancel
soak_test faults parallel_query
soak_test injection a_fault
soak_test random calls_at_random
soak_test soak mixed_calls
