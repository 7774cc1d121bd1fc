#!/usr/bin/env bash
# Updates from every released version: a desk of it keeps its rows and grants, and what it consists of is then what an
# installation makes. The released library is not built again: its functions' names are all that CREATE EXTENSION asks for.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup

extension=$(server_path dev sharedir)/extension library=$(server_path dev pkglibdir)
scratch=$(mktemp -d)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)

cleanup() {
  scripts/cluster.sh stop test-upgrade || :
  rm -rf "$scratch" "$library"/pg_folio_of_*.so
  for released in sql/releases/pg_folio--*.sql; do
    [[ $released == *-tables* ]] || rm -f "$extension/${released##*/}"
  done
}
trap cleanup EXIT

psql() { scripts/cluster.sh psql test-upgrade -q -v ON_ERROR_STOP=1 "$@"; }

# What the extension in database $1 consists of.
consists_of() { psql -At -d "$1" -f tests/upgrade/schema.sql; }

releases_are_as_released() {
  (cd sql/releases && sha256sum --quiet -c SHA256SUMS) || die "a released script has changed" "a new version gets a script of its own"
}

same_as_installed() {
  psql -c 'CREATE DATABASE installed' -c 'CREATE DATABASE updated'
  psql -d installed -c 'CREATE EXTENSION pg_folio'
  psql -d updated -c "CREATE EXTENSION pg_folio VERSION '$1'" -c 'ALTER EXTENSION pg_folio UPDATE'
  consists_of installed >"$scratch/installed"
  consists_of updated >"$scratch/updated"
  diff "$scratch/installed" "$scratch/updated" || die "an update from $1 is not what an installation is"
  psql -c 'DROP DATABASE updated'
}

# The desk is in pg_cron's database, so that its job is there too; where the server has pg_cron.
desk_goes_on() {
  ! has_cron || psql -c 'CREATE EXTENSION pg_cron'
  psql -c "CREATE EXTENSION pg_folio VERSION '$1'"
  psql -f "tests/upgrade/desk_of_$1.sql"
  ! has_cron || psql -c "SELECT cron.schedule('folio rebalance core of postgres', '0 7 * * 1-5', 'CALL folio.rebalance(''core'')')" >/dev/null
  as_server "$(server_path dev bindir)/pg_dump" -h "$(scripts/cluster.sh path test-upgrade)" -U postgres -Fc -n folio -n public \
    -n data -n trap -e pg_folio postgres >"$scratch/dump" 2>"$scratch/dump.log" || die "pg_dump failed" "$(cat "$scratch/dump.log")"
  psql -c 'ALTER EXTENSION pg_folio UPDATE'
  psql -f tests/upgrade/check.sql >/dev/null
  if ! has_cron; then
    say "  NOT TESTED: jobs, for this Postgres $PG has no pg_cron"
    return
  fi
  local job
  job=$(psql -At -c "SELECT portfolio, schedule, username FROM folio.job")
  [ "$job" = 'core|0 7 * * 1-5|old_runner' ] || die "the job has become '$job'"
}

# A dump of the old version: its tables first, then the update.
dump_comes_back() {
  psql -c 'CREATE DATABASE restored'
  psql -d restored -c "CREATE EXTENSION pg_folio VERSION '$1-tables'"
  # What is there already, and grants on functions that the update would drop, are errors that are passed over.
  as_server "$(server_path dev bindir)/pg_restore" -h "$(scripts/cluster.sh path test-upgrade)" -U postgres -d restored \
    <"$scratch/dump" 2>"$scratch/restore.log" || :
  psql -d restored -c 'ALTER EXTENSION pg_folio UPDATE'
  psql -d restored -f tests/upgrade/check_rows.sql >/dev/null || die "the dump did not come back" "$(tail -n 20 "$scratch/restore.log")"
}

releases_are_as_released
scripts/install.sh dev >"$scratch/install.log" 2>&1 || die "install.sh failed" "$(tail -n 20 "$scratch/install.log")"
for released in sql/releases/pg_folio--*.sql; do
  old=${released##*--} old=${old%.sql}
  [[ $released != *-tables* && $old != "$version" ]] || continue
  say "  from $old to $version"
  scripts/old-release.sh "$old" "$(server_path dev includedir-server)" "$library" "$extension"
  if has_cron; then scripts/cluster.sh start test-upgrade dev cron; else scripts/cluster.sh start test-upgrade dev preload; fi
  same_as_installed "$old"
  desk_goes_on "$old"
  dump_comes_back "$old"
  scripts/cluster.sh stop test-upgrade
done
