#!/usr/bin/env bash
# Installs beside and into a machine's server, which here is a copy of it under the state folder: what tests and demo
# install changes nothing in it, and `make install` replaces what a running server uses without hurting it.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup

machine=$(server_root machine) config=$(server_path machine bindir)/pg_config
servers=$(state_dir)/of-test-install # the private servers beside that machine's
log=$ROOT/target/test-install.log watcher=''

cleanup() {
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || :
  scripts/cluster.sh stop test-install || :
  rm -rf "$machine" "$servers"
}
trap cleanup EXIT

logged() { "$@" >"$log" 2>&1 || die "'$*' failed" "$(tail -n 20 "$log")"; }

# Everything of the machine's server, with what any change of it changes.
snapshot() { find "$machine" -printf '%P %y %i %m %s %T@ %C@ %l\n' | sort; }

install_into_machine() { PG_CONFIG=$config logged scripts/install.sh machine dev; }

# What tests and demo install: by install.sh, and by this command of `cargo pgrx test`.
install_privately() {
  local sudo=()
  ! is_root || sudo=(--sudo)
  export PG_CONFIG=$config FOLIO_SERVERS=$servers
  logged scripts/setup.sh server dev
  logged scripts/install.sh dev
  logged cargo pgrx install --test "${sudo[@]}" --pg-config "$(server_path dev bindir)/pg_config" \
    --no-default-features --features "pg$PG pg_test"
}

private_installs_change_nothing() {
  local before
  before=$(snapshot)
  (install_privately)
  diff <(printf '%s\n' "$before") <(snapshot) || die "a private installation changed the machine's server, $1"
}

# One query to the session that stays, and its answer of one line.
ask() {
  printf '%s;\n' "$1" >&"${session[1]}"
  IFS= read -r -t 60 answer <&"${session[0]}" || die "the session does not answer any more: $1" \
    "$(tail -n 20 "$(scripts/cluster.sh path test-install)/log")"
}

forecasts() { ask "SELECT array_length(forecast, 1) FROM folio.forecast_values('{10,11,12,11,12,13,12,13,14,13}', $1)"; }

# Names each file at every moment at which it is not there.
watch_files() {
  local file
  while :; do
    for file in "$@"; do [ -f "$file" ] || printf '%s\n' "$file"; done
  done
}

# $1 is the configuration that the server runs with. Each file has a second name while it is replaced: only a new file
# in its place leaves what that name stands for, which is what the server has mapped, as it was.
a_running_server_survives_an_installation() {
  local library extension files=() file before session answer
  library=$("$config" --pkglibdir)/pg_folio.so extension=$("$config" --sharedir)/extension
  files=("$library" "$extension"/pg_folio.control "$extension"/pg_folio--*.{control,sql})
  scripts/cluster.sh start test-install machine "$1"
  coproc session { scripts/cluster.sh psql test-install -qAt; }
  ask "CREATE EXTENSION pg_folio; SELECT 'ready'"
  forecasts 2
  for file in "${files[@]}"; do ln "$file" "$file.mapped"; done
  before=$(stat -c '%n %i %s %y' "${files[@]/%/.mapped}")
  watch_files "${files[@]}" >"$log.gone" &
  watcher=$!
  install_into_machine
  kill "$watcher"
  watcher=''
  [ ! -s "$log.gone" ] || die "while it was replaced there was no $(sort "$log.gone" | uniq -c)"
  diff <(printf '%s\n' "$before") <(stat -c '%n %i %s %y' "${files[@]/%/.mapped}") ||
    die "the installation wrote into a file that the server uses"
  for file in "${files[@]}"; do
    [ ! "$file" -ef "$file.mapped" ] || die "the installation left $file as it was"
    rm "$file.mapped"
  done
  forecasts 3
  [ "$answer" = 3 ] || die "the session answers $answer"
  scripts/cluster.sh psql test-install -qAtc "SELECT FROM folio.forecast_values('{10,11,12,11,12,13}', 1)"
  ! grep -F 'terminated by signal' "$(scripts/cluster.sh path test-install)/log" || die "a process of the server died"
  printf '\\q\n' >&"${session[1]}"
  scripts/cluster.sh stop test-install
}

rm -rf "$machine" "$servers"
scripts/setup.sh server machine
private_installs_change_nothing "which had no pg_folio"
install_into_machine
private_installs_change_nothing "which got pg_folio after the private server was made"
rm -rf "$servers"
private_installs_change_nothing "which had pg_folio when the private server was made"
a_running_server_survives_an_installation default
a_running_server_survives_an_installation preload
say "Installing hurts nobody."
