#!/usr/bin/env bash
# Installs what is missing to build and test the extension; changes nothing that is there. Run twice, it does nothing.
#   setup.sh                    everything
#   setup.sh server PROFILE...  the private servers of these names only, as copies of PG_CONFIG's
#   setup.sh package NAME...    apt packages that one command alone needs
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

packages=() # what to install; all that building and testing needs if empty

packages() {
  if [ ${#packages[@]} -gt 0 ]; then printf '%s\n' "${packages[@]}" && return; fi
  printf '%s\n' build-essential pkg-config libclang-dev cmake ninja-build shellcheck
  # Another server than Debian's brings its own headers and programs.
  [ "$PG_CONFIG" != "$DEBIAN_CONFIG" ] ||
    printf '%s\n' "postgresql-$PG" "postgresql-server-dev-$PG" "postgresql-$PG-cron"
  # One that was fetched needs the user postgres, whom this package makes, and libraries that it does not bring along.
  [ "$PG_CONFIG" != "$(fetched_config)" ] || printf '%s\n' postgresql-common libxml2 libgssapi-krb5-2
  # cargo-pgrx starts its test server as another user through sudo.
  ! is_root || printf '%s\n' sudo
}

installed() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null; }

missing_packages() {
  local package
  for package in $(packages); do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
  done
}

# The headers must be those of the server: a newer header package does not load into an older server's ABI checks, and
# apt would rather upgrade the server, under somebody's running cluster, than leave the two apart.
pinned() {
  local package=$1 server
  server=$(installed "postgresql-$PG") || server=
  case $package in
    postgresql-server-dev-*)
      if [ -n "$server" ] && apt-cache madison "$package" | grep -qF " $server "; then package+="=$server"; fi ;;
  esac
  printf '%s\n' "$package"
}

# A command whose output matters only if it fails.
quietly() { "$@" </dev/null >>"$log" 2>&1 || die "'$*' failed" "$(tail -n 30 "$log")"; }

install_packages() {
  local missing=() wanted=() package no_cluster log
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing by apt (1 to 3 minutes): ${missing[*]}"
  log=$(mktemp)
  quietly as_root apt-get update
  for package in "${missing[@]}"; do
    apt-cache show "$package" >/dev/null 2>&1 ||
      die "apt has no package $package" "Debian 12 has Postgres 15; for others add https://apt.postgresql.org," \
        "or point at a server that is there: make setup PG=$PG PG_CONFIG=/path/to/pg_config"
    wanted+=("$(pinned "$package")")
  done
  # Debian would start a cluster on port 5432 for a Postgres it has just installed; nobody asked for one.
  no_cluster=/etc/postgresql-common/createcluster.d/pg_folio-setup.conf
  if [ ! -d /etc/postgresql ]; then
    as_root mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
    # shellcheck disable=SC2064 # the path is meant now
    trap "as_root rm -f '$no_cluster'" EXIT
  fi
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}"
  rm -f "$log"
  as_root rm -f "$no_cluster"
  trap - EXIT
}

other_system() {
  [ -x "$PG_CONFIG" ] && command -v cmake >/dev/null && command -v ninja >/dev/null && return 0
  die "this system has no apt; please install, then run 'make setup PG_CONFIG=/path/to/pg_config':" \
    "- Postgres $PG with its server headers and pg_regress" \
    "- a C and C++ compiler, make, cmake, ninja, pkg-config, shellcheck" \
    "- libclang (bindgen reads the server's headers with it)" \
    "- as root also sudo and a user named postgres, for Postgres refuses to run as root"
}

check_rust() {
  command -v cargo >/dev/null || die "no Rust toolchain" "install one from https://rustup.rs, 1.95 or newer"
  local version
  version=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n' 1.95.0 "$version" | sort -V | head -n1)" = 1.95.0 ] ||
    die "Rust $version is too old; the project needs 1.95" "rustup update stable"
  # Needed by 'make test' only, and part of a default toolchain.
  { cargo clippy --version && rustfmt --version; } >/dev/null 2>&1 ||
    die "the toolchain has no rustfmt or no clippy" "rustup component add rustfmt clippy"
}

install_cargo_pgrx() {
  local have
  have=$(cargo-pgrx pgrx --version 2>/dev/null) || have=none
  [ "$have" != "cargo-pgrx $PGRX_VERSION" ] || return 0
  say "Installing cargo-pgrx $PGRX_VERSION into target/tools (3 to 6 minutes)"
  cargo install --locked --quiet --root "$ROOT/target/tools" cargo-pgrx --version "$PGRX_VERSION"
}

# Fetches a server where neither the machine nor apt has one of this version.
choose_server() {
  [ "$PG_CONFIG" = "$DEBIAN_CONFIG" ] && [ ! -x "$PG_CONFIG" ] || return 0
  ! apt-cache policy "postgresql-$PG" 2>/dev/null | grep -q 'Candidate: [0-9]' || return 0
  case $PG in
    16 | 17 | 18)
      scripts/fetch-server.sh
      PG_CONFIG=$(fetched_config)
      ;;
  esac
}

# What a server consists of: its programs, libraries, shared files and headers, and the libraries that a server which
# is not the system's brings along.
server_folders() {
  local what
  for what in bindir pkglibdir sharedir includedir-server; do "$PG_CONFIG" "--$what"; done
  ldd "$("$PG_CONFIG" --bindir)"/{initdb,psql,postgres} 2>/dev/null | sed -n 's|.*=> \(/.*\)/[^/]* (.*|\1|p' |
    xargs -r -n1 realpath | { grep -vE '^(/usr)?/lib' || :; } | sort -u
}

# The files in folder $1 in the form $2. Links are followed, those that lead nowhere left out; and so is pg_folio, which
# may be installed there: the one under test is another.
server_files() { (cd "$1" && find -L . -name 'pg_folio*' -prune -o -type f -readable -printf "$2"); }

# A line that changes when a file of the server does.
fingerprint() {
  local folder
  printf 'copies of '
  server_folders | while IFS= read -r folder; do
    printf '%s\n' "$folder"
    server_files "$folder" '%p %s %T@\n' | sort
  done | sha256sum
}

# A private server of profile $1. Every file is a copy: what cargo or anybody writes into this server, whatever its
# name, cannot reach the machine's through a link.
make_server() {
  local root folder now
  root=$(server_root "$1") now=$(fingerprint)
  [ "$(cat "$root/made" 2>/dev/null)" != "$now" ] || return 0
  rm -rf "$root"
  server_folders | while IFS= read -r folder; do
    mkdir -p "$root$folder"
    # Times are kept: newer headers would have everything compiled anew.
    server_files "$folder" '%p\0' | tar -C "$folder" -chf - --null -T - | tar -C "$root$folder" -xf - --no-same-owner
  done
  printf '%s\n' "$now" >"$root/made"
}

init_pgrx() {
  local home config
  home=$(state_dir)/$PG/pgrx config="$(server_path dev bindir)/pg_config"
  grep -qsF "\"$config\"" "$home/config.toml" && return 0
  mkdir -p "$home"
  # --no-run: no cluster of pgrx's own is wanted.
  PGRX_HOME=$home cargo pgrx init "--pg$PG" "$config" --no-run
}

case ${1:-} in
  server)
    for profile in "${@:2}"; do make_server "$profile"; done
    exit 0
    ;;
  package)
    command -v apt-get >/dev/null || die "this needs ${*:2}" "install it, then run this again"
    packages=("${@:2}")
    install_packages
    exit 0
    ;;
esac
check_rust
choose_server
if command -v apt-get >/dev/null; then install_packages; else other_system; fi
[ -x "$PG_CONFIG" ] || die "$PG_CONFIG is missing"
install_cargo_pgrx
make_server dev
make_server release
init_pgrx
scripts/build-xgboost.sh
say "Everything is there for Postgres $PG."
