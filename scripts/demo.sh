#!/usr/bin/env bash
# Forecasts and a portfolio from real prices, in a cluster that stays: scripts/demo.sh [stop]
# DEMO=package takes the .deb of PACKAGE, or the one of `make package`, instead of building: no Rust, no compiler.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" = stop ]; then
  scripts/cluster.sh stop demo
  say "The demo's cluster is gone."
  exit 0
fi

# The package's files into the private server.
place_package() {
  local deb=${PACKAGE:-} files
  [ -n "$deb" ] || deb=$(find target/packages -name "postgresql-$PG-pg-folio_*.deb" 2>/dev/null | sort -V | tail -n1)
  [ -f "$deb" ] || die "there is no package for Postgres $PG" "name one: make demo DEMO=package PACKAGE=/path/to/package.deb"
  [ -x "$PG_CONFIG" ] || scripts/setup.sh package "postgresql-$PG" "postgresql-$PG-cron"
  say "Taking $deb"
  scripts/setup.sh server release
  files=$(mktemp -d)
  dpkg-deb -x "$deb" "$files"
  cp --remove-destination "$files/usr/lib/postgresql/$PG/lib/"* "$(server_path release pkglibdir)/"
  mkdir -p "$(server_path release sharedir)/extension"
  cp --remove-destination "$files/usr/share/postgresql/$PG/extension/"* "$(server_path release sharedir)/extension/"
  rm -rf "$files"
}

if [ "${DEMO:-}" = package ]; then
  place_package
else
  need_setup
  say "Building a release (about 10 minutes of 2 cores the first time, seconds after that)"
  scripts/install.sh release
fi

# A server that is not Debian's may have no pg_cron; all but the schedule works without.
if [ -f "$(server_path release sharedir)/extension/pg_cron.control" ]; then conf=cron; else conf=preload; fi

say "Starting a throw-away cluster and loading the prices (about 5 seconds)"
scripts/cluster.sh start demo release "$conf"
scripts/cluster.sh psql demo -qc "CREATE DATABASE demo" \
  -c "ALTER DATABASE demo SET search_path = \"\$user\", public, folio"
scripts/cluster.sh psql demo -d demo -q -v ON_ERROR_STOP=1 -f demo/load.sql
if [ "$conf" = cron ]; then
  # pg_cron works in one database, which it looks up when the server starts.
  scripts/cluster.sh psql demo -qc "ALTER SYSTEM SET cron.database_name = 'demo'"
  scripts/cluster.sh restart demo
  scripts/cluster.sh psql demo -d demo -qc "CREATE EXTENSION pg_cron"
else
  echo "No pg_cron in this server: the demo does not schedule. CALL rebalance('growth') does it by hand."
fi

say "The demo: demo/demo.sql"
scripts/cluster.sh psql demo -d demo -q -P pager=off -P footer=off -v ON_ERROR_STOP=1 -f demo/demo.sql

say "Drawing the charts: demo/page.sql (about 15 seconds)"
page=$ROOT/target/demo.html
scripts/cluster.sh psql demo -d demo -qAt -v ON_ERROR_STOP=1 -f demo/page.sql >"$page"
printf '\n    %s\n\n' "$page"
echo "Open it in a browser; it is a page of SQL results, for phones and desktops, light and dark."

say "The cluster goes on. To look for yourself:"
printf '\n    psql -h %s -U postgres -d demo\n\n' "$(scripts/cluster.sh path demo)"
echo "'make demo-stop' ends it and removes its data."
