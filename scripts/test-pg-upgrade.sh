#!/usr/bin/env bash
# pg_upgrade of a cluster that has a desk, from one major version of Postgres to another: every row and right is there
# afterwards, the extension is what an installation makes, and the desk goes on.
#   test-pg-upgrade.sh [FROM] [TO]     15 and 18 if none is named
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
unset PG_CONFIG # of the caller's one major
from=${1:-15} to=${2:-18}
old=$(state_dir)/clusters/pg-upgrade-$from new=$(state_dir)/clusters/pg-upgrade-$to
scratch=$(mktemp -d)

cleanup() {
  scripts/cluster.sh stop "pg-upgrade-$from" || :
  scripts/cluster.sh stop "pg-upgrade-$to" || :
  rm -rf "$scratch"
}
trap cleanup EXIT

# The programs of the private server of major $1.
programs() { (
  export PG=$1
  # shellcheck source=scripts/lib.sh
  . scripts/lib.sh
  server_path dev bindir
); }

# The server of major $1, with the extension built for it.
prepare() {
  PG=$1 scripts/setup.sh
  PG=$1 scripts/install.sh dev
}

start() { as_server "$2/pg_ctl" -D "$1/data" -l "$1/log" -s -w start </dev/null >/dev/null || die "no start" "$(tail -n 20 "$1/log")"; }
stop() { as_server "$2/pg_ctl" -D "$1/data" -s -w -m fast stop; }
psql() { "$3/psql" -X -q -v ON_ERROR_STOP=1 -h "$1" -U postgres "${@:4}" -d "$2"; }

# An empty cluster of the new major, beside the old one.
make_new() {
  mkdir -p "$new"
  ! is_root || chown postgres "$new"
  printf '%s\n' "$new_bin" >"$new/bin"
  local checksums=()
  [ "$to" -lt 18 ] || checksums=(--no-data-checksums) # as the old one has none
  as_server "$new_bin/initdb" -D "$new/data" -U postgres -A trust -E UTF8 --locale=C --no-sync "${checksums[@]}" >"$new/initdb.log" ||
    die "initdb failed" "$(cat "$new/initdb.log")"
  { printf "unix_socket_directories = '%s'\n" "$new"; cat pg_test_config/{default,preload}.conf; } |
    as_server tee -a "$new/data/postgresql.conf" >/dev/null
}

upgrade() {
  as_server sh -c "cd '$new' && exec '$new_bin/pg_upgrade' -U postgres -b '$old_bin' -B '$new_bin' -d '$old/data' -D '$new/data' -s '$new'" \
    >"$scratch/log" 2>&1 </dev/null || die "pg_upgrade failed" "$(tail -n 30 "$scratch/log")" "$(cat "$new"/data/pg_upgrade_output.d/*/*.txt 2>/dev/null)"
}

consists_of() { psql "$new" "$1" "$new_bin" -At -f tests/upgrade/schema.sql; }

for major in "$from" "$to"; do prepare "$major"; done
old_bin=$(programs "$from") new_bin=$(programs "$to")
PG=$from scripts/cluster.sh start "pg-upgrade-$from" dev preload
psql "$old" postgres "$old_bin" -f tests/pg_upgrade/desk.sql >/dev/null
psql "$old" market "$old_bin" -At -f tests/pg_upgrade/rows.sql >"$scratch/before"
stop "$old" "$old_bin"
make_new
upgrade
start "$new" "$new_bin"
psql "$new" market "$new_bin" -At -f tests/pg_upgrade/rows.sql >"$scratch/after"
diff "$scratch/before" "$scratch/after" || die "pg_upgrade has changed what the desk has"
psql "$new" postgres "$new_bin" -c 'CREATE DATABASE installed OWNER db_owner'
"$new_bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$new" -U db_owner -d installed -c 'CREATE EXTENSION pg_folio' \
  -c "SELECT folio.grant_desk('colleague')"
consists_of installed >"$scratch/installed"
consists_of market >"$scratch/upgraded"
diff "$scratch/installed" "$scratch/upgraded" || die "after pg_upgrade the extension is not what an installation makes"
psql "$new" postgres "$new_bin" -f tests/pg_upgrade/after.sql >/dev/null
say "From Postgres $from to $to: $(wc -l <"$scratch/before") rows and rights are the same, and the desk goes on."
