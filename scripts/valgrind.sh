#!/usr/bin/env bash
# valgrind.sh [FILE...]   the files of tests/pg_regress (all of them) in a cluster whose every process runs under valgrind.
#                         Fails at an error in whose stack a function of this library is; those of the server alone are
#                         counted. VALGRIND_SUPPRESSIONS is a file of more suppressions: a source tree of Postgres has
#                         src/tools/valgrind.supp
# What psql prints is not compared: a process is 30 times slower, and what depends on time differs.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
command -v valgrind >/dev/null || scripts/setup.sh package valgrind
scripts/install.sh dev
bin=$(server_path dev bindir)
trap 'scripts/cluster.sh stop valgrind' EXIT
scripts/cluster.sh start valgrind dev preload
dir=$(scripts/cluster.sh path valgrind)

# The cluster again, by a program that stands in for the server's and has valgrind run it.
under_valgrind() {
  local options=(--quiet --trace-children=yes --num-callers=80 --log-file="$dir/valgrind.%p" --error-limit=no
    --gen-suppressions=all --suppressions="$dir/suppressions")
  as_server tee "$dir/suppressions" >/dev/null <"${VALGRIND_SUPPRESSIONS:-/dev/null}"
  printf '#!/bin/sh\nexec valgrind %s %s/postgres "$@"\n' "${options[*]}" "$bin" | as_server tee "$dir/postgres" >/dev/null
  as_server chmod 700 "$dir/postgres"
  as_server "$bin/pg_ctl" -D "$dir/data" -s -w -m fast stop
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -t 300 -p "$dir/postgres" start </dev/null >/dev/null ||
    die "the server did not start under valgrind" "$(tail -n 20 "$dir/log")"
}

run_files() {
  local name psql=(scripts/cluster.sh psql valgrind -q -d regression)
  scripts/cluster.sh psql valgrind -q -d postgres -c 'CREATE DATABASE regression'
  "${psql[@]}" -c 'CREATE EXTENSION pg_folio'
  for name in "$@"; do
    say "  $name"
    "${psql[@]}" -f "tests/pg_regress/sql/$name.sql" >/dev/null 2>&1 || die "$name ended the session" "$(tail -n 20 "$dir/log")"
  done
}

# The errors of all processes, each a stack and its suppression: how many, and those with a function of this library, which
# alone is of Rust.
judge() {
  local all=$ROOT/target/valgrind.log ours
  as_server sh -c "cat $dir/valgrind.*" >"$all"
  ours=$(awk 'BEGIN {RS = "\n}\n"} /\.rs:[0-9]+\)|\/pg_folio\.so/ {print $0 "\n}"}' "$all")
  say "$(grep -c '^{' "$all" || :) errors, $(printf '%s' "$ours" | grep -c '^{' || :) of them with a function of this library; all are in target/valgrind.log"
  [ -z "$ours" ] || die "valgrind found errors of this library" "$(printf '%s\n' "$ours" | head -n 200)"
}

under_valgrind
if [ $# = 0 ]; then
  mapfile -t files < <(cd tests/pg_regress/sql && printf '%s\n' *.sql | sed 's/\.sql$//')
  set -- "${files[@]}"
fi
run_files "$@"
as_server "$bin/pg_ctl" -D "$dir/data" -s -w -t 300 -m fast stop
judge
