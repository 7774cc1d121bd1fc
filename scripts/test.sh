#!/usr/bin/env bash
# Every test, or the named stages: scripts/test.sh [fmt] [lint] [engine] [pg] [install] [upgrade] [regress] [cluster]
# One more stage is named only: sessions, the part of cluster that other majors of Postgres have to pass (majors.sh).
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup

# One profile and one set of flags for all stages, so that each dependency is compiled once: the dev profile, which
# optimises but keeps overflow checks and debug assertions. Only the extension itself is built twice, with its #[pg_test]s
# and without.

fmt() { rust_files | xargs -0 rustfmt --edition 2024 --check; }

lint() {
  cargo clippy -p folio-core -p folio-chart -p cluster-tests --all-targets -- -D warnings
  cargo clippy -p pg_folio --all-targets --no-default-features --features "pg$PG pg_test" -- -D warnings
  shellcheck -x scripts/*.sh .ci/run
}

engine() { cargo test -p folio-core -p folio-chart; }

pg() {
  local as_whom=()
  ! is_root || as_whom=(--runas postgres)
  local data
  data=$(state_dir)/pgrx-test
  mkdir -p "$data"
  ! is_root || chown postgres "$data"
  # As root it copies over the library that is there, which a cluster of another command may have mapped.
  rm -f "$(server_path dev pkglibdir)"/pg_folio*
  cargo pgrx test "pg$PG" "${as_whom[@]}" --pgdata "$data" "${FEATURES[@]}"
  rm -rf "$data"
}

install() { scripts/test-install.sh; }

upgrade() { scripts/test-upgrade.sh; }

regress() {
  scripts/install.sh dev
  start_cluster regress
  local out=$ROOT/target/regress tests
  mkdir -p "$out"
  mapfile -t tests < <(cd tests/pg_regress/sql && printf '%s\n' *.sql | sed 's/\.sql$//')
  # Every file of sql/ in the order of its name, in one new database that has the extension.
  "$(server_path dev pkglibdir)/pgxs/src/test/regress/pg_regress" --dbname=regression --load-extension=pg_folio \
    --bindir="$(server_path dev bindir)" --host="$(scripts/cluster.sh path regress)" --user=postgres \
    --inputdir=tests/pg_regress --outputdir="$out" "${tests[@]}" ||
    { cat "$out/regression.diffs" && false; }
}

# The clients see a server as most people first run it, and one as it is meant to be run. The desk's tests need pg_cron,
# and only they do.
cluster() {
  scripts/install.sh dev
  clients default
  clients preload
  if has_cron; then
    clients cron --test desk --test hostile --test hostile_means --test restore
  else
    say "  NOT TESTED: schedules, for this Postgres $PG has no pg_cron"
  fi
}

sessions() {
  scripts/install.sh dev
  clients preload --test session --test faults
}

# clients CONF [ARGUMENT...]   the clients' tests against a cluster with CONF.conf
clients() {
  local conf=$1 features=()
  shift
  [ "$conf" = default ] || features=(--features "$conf")
  say "  against a cluster with $conf.conf"
  start_cluster "$conf" "$conf"
  FOLIO_TEST_CONF=$conf FOLIO_TEST_HOST=$(scripts/cluster.sh path "$conf") \
    cargo test -p cluster-tests "${features[@]}" "$@" -- --test-threads=1 # they measure time and count threads
}

# --- running them ---------------------------------------------------------------------------------------------------

declare -A about=(
  [fmt]="the form of the Rust files" [lint]="clippy and shellcheck, warnings denied"
  [engine]="the engine and the charts, without Postgres" [pg]="functions inside a backend (#[pg_test])"
  [install]="installing beside and into a server that runs"
  [upgrade]="updates from every released version"
  [regress]="what psql prints (pg_regress)" [cluster]="clients of a real cluster"
  [sessions]="clients of a real cluster: sessions and faults only"
)
order=(fmt lint engine pg install upgrade regress cluster)
clusters=() stage='' began=0

start_cluster() {
  clusters+=("$1")
  scripts/cluster.sh start "$1" dev "${@:2}"
}

stop_clusters() {
  local name
  for name in "${clusters[@]}"; do scripts/cluster.sh stop "$name" || :; done
  clusters=()
}

# Runs at every exit; `stage` is empty only when all of them passed.
finish() {
  local code=$? name
  for name in "${clusters[@]}"; do
    echo "--- the last lines of the log of the cluster '$name'"
    tail -n 20 "$(scripts/cluster.sh path "$name")/log" || :
  done
  stop_clusters
  if [ -n "$stage" ]; then
    printf '%serror:%s stage %s failed after %d s; again: scripts/test.sh %s\n' "$BOLD" "$PLAIN" "$stage" $((SECONDS - began)) "$stage" >&2
    exit $((code ? code : 1))
  fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ $# -gt 0 ] || set -- "${order[@]}"
number=0 times=''
for name in "$@"; do [ -n "${about[$name]:-}" ] || die "no stage '$name'" "there are: ${order[*]} sessions"; done
for stage in "$@"; do
  number=$((number + 1)) began=$SECONDS
  say "Stage $number of $#, $stage: ${about[$stage]}"
  "$stage"
  stop_clusters
  say "Stage $stage passed in $((SECONDS - began)) s"
  times+=" $stage $((SECONDS - began)) s,"
done
stage=''
say "All $number stages passed:${times%,}; $SECONDS s in all"
