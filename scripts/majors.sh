#!/usr/bin/env bash
# The other majors of Postgres: for each, what psql prints and the clients of sessions and faults. A server that the
# machine has not is fetched; one that cannot be had is said to be not tested, and fails nothing but `--all`.
#   majors.sh [--all]    --all: every major must have been tested
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
unset PG_CONFIG # of the caller's one major

majors=(16 17 18) stages=(regress sessions) rows=() untested=() failed=()

test_major() {
  local began=$SECONDS server
  export PG=$1
  if [ ! -x "/usr/lib/postgresql/$PG/bin/pg_config" ] && ! scripts/fetch-server.sh; then
    untested+=("$PG")
    rows+=("| $PG | could not be had | NOT TESTED |")
    return
  fi
  server=/usr/lib/postgresql/$PG/bin/pg_config
  [ -x "$server" ] || server=$(fetched_config)
  server=$("$server" --version)
  # A failure must not keep the next major from its turn.
  if scripts/setup.sh && scripts/test.sh "${stages[@]}"; then
    rows+=("| $PG | $server | passed in $((SECONDS - began)) s |")
  else
    failed+=("$PG")
    rows+=("| $PG | $server | FAILED |")
  fi
}

for major in "${majors[@]}"; do test_major "$major"; done
printf '\n| major | server | %s |\n|---|---|---|\n' "${stages[*]}"
printf '%s\n' "${rows[@]}"
[ ${#failed[@]} = 0 ] || die "on Postgres ${failed[*]} not all tests pass" "again: PG=${failed[0]} scripts/test.sh ${stages[*]}"
if [ ${#untested[@]} -gt 0 ]; then
  [ "${1:-}" != --all ] || die "Postgres ${untested[*]} could not be tested"
  say "NOT TESTED, for want of a server: Postgres ${untested[*]}"
else
  say "Postgres ${majors[*]} pass ${stages[*]}."
fi
