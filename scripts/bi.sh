#!/usr/bin/env bash
# Superset with the dashboard of bi/superset over the demo's cluster: scripts/bi.sh [start|test|stop]
# Everything it makes is in target/bi; it listens on this machine's own address only. BI_PORT chooses another port.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/python.sh
. "$ROOT/scripts/python.sh"
state=$ROOT/target/bi venv=$ROOT/target/bi/venv
port=${BI_PORT:-8088}
address=http://127.0.0.1:$port

export SUPERSET_HOME=$state/home SUPERSET_CONFIG_PATH=$ROOT/bi/superset/superset_config.py
export FLASK_APP='superset.app:create_app()' PYTHONDONTWRITEBYTECODE=1

# The pid of the server that this script started, if it runs.
server() {
  local pid
  pid=$(cat "$state/server.pid" 2>/dev/null) && grep -qsF "$venv" "/proc/$pid/cmdline" && printf '%s\n' "$pid"
}

answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /health HTTP/1.0\r\n\r\n' >&3 && grep -q '200 OK' <&3) 2>/dev/null
}

need_demo() {
  local socket
  socket=$(scripts/cluster.sh path demo)
  [ -S "$socket/.s.PGSQL.5432" ] || die "the demo's cluster is not running, and the dashboard shows what is in it" \
    "run 'make demo' first"
}

# The key and the password are made once, for this machine's Superset alone.
secrets() {
  local name
  for name in key password; do
    [ -s "$state/$name" ] ||
      (umask 077 && python3 -c 'import secrets; print(secrets.token_urlsafe(24))' >"$state/$name")
  done
  SUPERSET_SECRET_KEY=$(cat "$state/key")
  export SUPERSET_SECRET_KEY
}

# Superset's own tables, its roles and one user, who may do all. Anew with every new version.
initialise() {
  [ ! "$state/ready" -nt "$venv/requirements.txt" ] || return 0
  say "Making Superset's own database (about a minute)"
  rm -rf "$SUPERSET_HOME"
  mkdir -p "$SUPERSET_HOME"
  quietly "$venv/bin/superset" db upgrade
  quietly "$venv/bin/superset" init
  quietly "$venv/bin/superset" fab create-admin --username admin --firstname The --lastname Desk \
    --email admin@localhost --password "$(cat "$state/password")"
  touch "$state/ready"
}

# Superset connects as a role that may only read.
fill() {
  say "Filling the demo's portfolios (about a minute the first time)"
  scripts/cluster.sh psql demo -d demo -q -v ON_ERROR_STOP=1 -c "SET client_min_messages = warning" \
    -f examples/grants.sql -f bi/reader.sql
  scripts/cluster.sh psql demo -d demo -q -o /dev/null -v ON_ERROR_STOP=1 -f bi/fill.sql
}

load() {
  say "Loading the dashboard"
  quietly "$venv/bin/python" bi/superset/load.py bi/superset/dashboard \
    "postgresql+psycopg2://bi@/demo?host=$(scripts/cluster.sh path demo)" admin
}

serve() {
  local pid
  server >/dev/null && return 0
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && die "something else listens on port $port" "choose another: BI_PORT=8089 make bi"
  say "Starting Superset"
  setsid nice "$venv/bin/gunicorn" --bind "127.0.0.1:$port" --worker-class gthread --threads 8 --timeout 120 \
    "$FLASK_APP" </dev/null >"$state/server.log" 2>&1 &
  pid=$!
  printf '%s\n' "$pid" >"$state/server.pid"
  until answers; do
    kill -0 "$pid" 2>/dev/null || die "Superset did not start" "$(tail -n 30 "$state/server.log")"
    sleep 1
  done
}

# The libraries that this Superset is built on are not there for newer ones.
need_python() {
  python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' ||
    die "Superset needs Python 3.10 to 3.12" "this is $(python3 --version)"
}

start() {
  need_demo
  need_python
  mkdir -p "$state"
  need_venv "$venv" bi/superset/requirements.txt # about 1 GB; 3 to 10 minutes
  secrets
  initialise
  fill
  load
  serve
}

stop() {
  local pid
  pid=$(server) || return 0
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
  rm -f "$state/server.pid"
}

check() {
  command -v chromium >/dev/null || scripts/setup.sh package chromium
  say "Opening the dashboard in Chromium"
  # Chromium keeps certificates at home.
  HOME=$state BI_PASSWORD=$(cat "$state/password") "$venv/bin/python" bi/superset/check.py "$address" admin "$state/pictures"
  echo "Pictures are in target/bi/pictures."
}

case ${1:-start} in
  start)
    start
    say "The dashboard: $address/superset/dashboard/pg_folio/"
    printf '\n    user admin, password %s\n\n' "$(cat "$state/password")"
    echo "'make bi-stop' ends it."
    ;;
  test)
    start
    check
    ;;
  stop)
    stop
    say "Superset is not running."
    ;;
  *) die "bi.sh: no command '$1'" "start, test or stop" ;;
esac
