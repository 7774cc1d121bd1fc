#!/usr/bin/env bash
# Throw-away clusters: a new data folder at every start, reachable by a unix socket in it only, gone at the stop.
#   cluster.sh start NAME PROFILE [CONF...]   with pg_test_config/CONF.conf, on the private server of dev or release
#   cluster.sh standby NAME PRIMARY           a streaming standby of a cluster that runs
#   cluster.sh restart NAME
#   cluster.sh psql NAME [ARG...]
#   cluster.sh path NAME                      the folder of the socket: psql -h FOLDER -U postgres
#   cluster.sh stop NAME
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
command=${1:?cluster.sh start|standby|restart|psql|path|stop NAME} name=${2:?cluster.sh $1 NAME}
shift 2
dir=$(state_dir)/clusters/$name

# The programs that the cluster was started with, whatever PG says now.
need_cluster() {
  [ -f "$dir/bin" ] || die "no cluster '$name'" "start one: scripts/cluster.sh start $name dev"
  bin=$(cat "$dir/bin")
}

start() {
  local profile=${1:?cluster.sh start NAME PROFILE} conf bin
  shift
  stop
  bin=$(server_path "$profile" bindir)
  mkdir -p "$dir"
  ! is_root || chown postgres "$dir"
  chmod 700 "$dir"
  printf '%s\n' "$bin" >"$dir/bin"
  as_server "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" ||
    die "initdb failed" "$(cat "$dir/initdb.log")"
  # The configuration is copied, since the server's user may not be able to read the checkout.
  {
    printf "unix_socket_directories = '%s'\n" "$dir"
    for conf in default "$@"; do cat "pg_test_config/$conf.conf"; done
  } | as_server tee -a "$dir/data/postgresql.conf" >/dev/null
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w start </dev/null >/dev/null ||
    die "the cluster '$name' did not start" "$(tail -n 20 "$dir/log")"
}

standby() {
  local primary bin
  primary=$(dirname "$dir")/${1:?cluster.sh standby NAME PRIMARY}
  stop
  bin=$(cat "$primary/bin")
  mkdir -p "$dir"
  ! is_root || chown postgres "$dir"
  chmod 700 "$dir"
  cp "$primary/bin" "$dir/bin"
  as_server "$bin/pg_basebackup" -h "$primary" -U postgres -D "$dir/data" -R --checkpoint=fast --no-sync ||
    die "pg_basebackup failed"
  printf "unix_socket_directories = '%s'\n" "$dir" | as_server tee -a "$dir/data/postgresql.conf" >/dev/null
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w start </dev/null >/dev/null ||
    die "the standby '$name' did not start" "$(tail -n 20 "$dir/log")"
}

stop() {
  [ -d "$dir" ] || return 0
  if [ -f "$dir/data/postmaster.pid" ]; then
    need_cluster
    as_server "$bin/pg_ctl" -D "$dir/data" -s -w -m fast stop ||
      as_server "$bin/pg_ctl" -D "$dir/data" -s -w -m immediate stop ||
      echo "the cluster '$name' was not running any more" >&2
  fi
  rm -rf "$dir"
}

case $command in
  start) start "$@" ;;
  standby) standby "$@" ;;
  restart)
    need_cluster
    as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -m fast restart </dev/null >/dev/null
    ;;
  stop) stop ;;
  path) printf '%s\n' "$dir" ;;
  psql)
    need_cluster
    exec "$bin/psql" -X -h "$dir" -U postgres "$@"
    ;;
  *) die "cluster.sh: no command '$command'" "start, standby, restart, psql, path or stop" ;;
esac
