#!/usr/bin/env bash
# A database's owner who is no superuser creates the extension: he has the whole desk and no right beside it, and what he
# puts into the extension's schema while its script runs is not looked up there.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup

extension=$(server_path dev sharedir)/extension
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
scratch=$(mktemp -d)
cleanup() {
  scripts/cluster.sh stop test-trusted || :
  rm -rf "$scratch" "$extension"/pg_folio--raced.sql
}
trap cleanup EXIT

psql() { scripts/cluster.sh psql test-trusted -q -v ON_ERROR_STOP=1 -v "is_scheduled=$is_scheduled" "$@"; }

scripts/install.sh dev >"$scratch/install.log" 2>&1 || die "install.sh failed" "$(tail -n 20 "$scratch/install.log")"
# The script without its look into the schema: as if all that is there had come after the look.
sed "s/reason := 'It is not empty.'/reason := NULL/" "$extension/pg_folio--$version.sql" >"$extension/pg_folio--raced.sql"
cmp -s "$extension/pg_folio--$version.sql" "$extension/pg_folio--raced.sql" && die "the look into the schema has another text"

if has_cron; then conf=cron is_scheduled=true; else conf=preload is_scheduled=false; fi
scripts/cluster.sh start test-trusted dev "$conf"
say "  a desk of the database's owner"
# pg_cron works in one database, postgres.
psql -c "CREATE ROLE db_owner LOGIN" -c "CREATE ROLE colleague LOGIN" -c "CREATE ROLE stranger LOGIN" -c "ALTER DATABASE postgres OWNER TO db_owner"
! has_cron || psql -c "CREATE EXTENSION pg_cron" -c "GRANT USAGE ON SCHEMA cron TO db_owner WITH GRANT OPTION"
psql -f tests/trusted/desk.sql >/dev/null
has_cron || say "  NOT TESTED: his schedule, for this Postgres $PG has no pg_cron"
say "  what he has no right to"
psql -c "CREATE DATABASE elsewhere OWNER db_owner"
psql -f tests/trusted/refused.sql >/dev/null
say "  names of Postgres in the schema while the script runs"
psql -c "CREATE DATABASE raced OWNER db_owner"
psql -d raced -v "script=$extension/pg_folio--$version.sql" -f tests/trusted/raced.sql >/dev/null
say "A database's owner has the desk, and nothing else."
