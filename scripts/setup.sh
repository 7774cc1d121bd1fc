#!/usr/bin/env bash
# Installs what is missing to build and test the extension; changes nothing that is there. Run twice, it does nothing.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

packages() {
  printf '%s\n' build-essential pkg-config libclang-dev cmake ninja-build shellcheck
  # Another server than Debian's brings its own headers and programs.
  [ "$PG_CONFIG" != "/usr/lib/postgresql/$PG/bin/pg_config" ] ||
    printf '%s\n' "postgresql-$PG" "postgresql-server-dev-$PG" "postgresql-$PG-cron"
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
  case $have in
    "cargo-pgrx $PGRX_VERSION") return 0 ;;
    none) set -- ;;
    *) set -- --root "$ROOT/target/tools" ;; # another version is somebody else's: leave it
  esac
  say "Installing cargo-pgrx $PGRX_VERSION (3 to 6 minutes)"
  cargo install --locked --quiet "$@" cargo-pgrx --version "$PGRX_VERSION"
}

# A private server of profile $1: copies of the programs, which must not be links (Postgres resolves a link before it
# looks for its folders), and links to everything else.
make_server() {
  local root bin dir
  root=$(server_root "$1") bin=$("$PG_CONFIG" --bindir)
  local dirs=("$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)" "$("$PG_CONFIG" --includedir-server)")
  local fresh=1
  for dir in "$bin" "${dirs[@]}" "${dirs[1]}/extension"; do
    [ "$root/made" -nt "$dir" ] || fresh=
  done
  [ -z "$fresh" ] || return 0
  rm -rf "$root"
  mkdir -p "$root$bin"
  cp -L "$bin"/* "$root$bin/"
  for dir in "${dirs[@]}"; do
    mkdir -p "$root$dir"
    cp -rsn "$dir/." "$root$dir/"
  done
  touch "$root/made"
}

init_pgrx() {
  local home config
  home=$(state_dir)/$PG/pgrx config="$(server_path dev bindir)/pg_config"
  grep -qsF "\"$config\"" "$home/config.toml" && return 0
  mkdir -p "$home"
  # --no-run: no cluster of pgrx's own is wanted.
  PGRX_HOME=$home cargo pgrx init "--pg$PG" "$config" --no-run
}

check_rust
if command -v apt-get >/dev/null; then install_packages; else other_system; fi
[ -x "$PG_CONFIG" ] || die "$PG_CONFIG is missing"
install_cargo_pgrx
make_server dev
make_server release
init_pgrx
scripts/build-xgboost.sh
say "Everything is there for Postgres $PG."
