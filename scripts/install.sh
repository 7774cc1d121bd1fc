#!/usr/bin/env bash
# install.sh PROFILE     builds the extension (dev or release) and installs it into that profile's private server
# install.sh package     builds a release into target/release/pg_folio-pgNN, as a tree to copy over a server's
# install.sh machine     builds a release and installs it into the Postgres of PG_CONFIG
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
target=${1:?install.sh dev|release|package|machine}

pgrx_install() { cargo pgrx install "${FEATURES[@]}" "$@"; }

# Whether the private server of a profile has what cargo has just said is fresh. By content: what a test run installed
# in between is newer, and another library.
up_to_date() {
  local folder=$1 there
  [ "$folder" != dev ] || folder=debug
  there=$(server_path "$1" pkglibdir)/pg_folio.so
  cmp -s "${CARGO_TARGET_DIR:-target}/$folder/libpg_folio.so" "$there" &&
    [ -z "$(find pg_folio.control Cargo.toml sql -newer "$there")" ]
}

case $target in
  machine)
    if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then sudo=(); else sudo=(--sudo); fi
    pgrx_install --release --pg-config "$PG_CONFIG" "${sudo[@]}"
    ;;
  package) cargo pgrx package "${FEATURES[@]}" --pg-config "$PG_CONFIG" ;;
  dev | release)
    cargo build --lib --profile "$target" "${FEATURES[@]}"
    up_to_date "$target" || {
      # A server that runs has the library mapped: writing into the file would crash it, a new file does not.
      rm -f "$(server_path "$target" pkglibdir)/pg_folio.so"
      pgrx_install --profile "$target" --pg-config "$(server_path "$target" bindir)/pg_config"
    }
    ;;
  *) die "install.sh: no profile '$target'" "dev, release, package or machine" ;;
esac
