#!/usr/bin/env bash
# Binds values to every function from the clients that people use; what they say is the table of docs/queries.md.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/python.sh
. "$ROOT/scripts/python.sh"
need_setup
venv=$ROOT/target/clients/venv node=$ROOT/target/clients/node table=$ROOT/target/clients/table.md

need_venv "$venv" tests/clients/requirements.txt
command -v node >/dev/null || scripts/setup.sh package nodejs npm
[ -e /usr/share/doc/odbc-postgresql ] || scripts/setup.sh package odbc-postgresql unixodbc
command -v java >/dev/null || scripts/setup.sh package default-jre-headless
[ -e /usr/share/java/postgresql.jar ] || scripts/setup.sh package libpostgresql-jdbc-java
mkdir -p "$node"
cp tests/clients/package.json "$node/"
[ -d "$node/node_modules/pg" ] || quietly npm install --prefix "$node" --no-audit --no-fund
scripts/install.sh dev
trap 'scripts/cluster.sh stop clients' EXIT
scripts/cluster.sh start clients dev default
scripts/cluster.sh psql clients -q -v ON_ERROR_STOP=1 -f tests/clients/prepare.sql

say "Every client"
NODE_PATH=$node/node_modules "$venv/bin/python" tests/clients/clients.py "$(scripts/cluster.sh path clients)" postgres "$table"
# The documentation says what was seen.
if ! sed -n '/<!-- clients -->/,/<!-- end -->/p' docs/queries.md | grep '^|' | diff "$table" -; then
  die "docs/queries.md has another table" "put target/clients/table.md into it"
fi
say "Every client answers as psql does"
