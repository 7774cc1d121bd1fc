#!/usr/bin/env bash
# install.sh PROFILE     builds the extension (dev or release) and installs it into that profile's private server
# install.sh package     builds a release into target/release/pg_folio-pgNN, as a tree to copy over a server's
# install.sh machine     builds a release and installs it into the Postgres of PG_CONFIG
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
target=${1:?install.sh dev|release|package|machine}

pgrx_install() { cargo pgrx install "${FEATURES[@]}" "$@"; }

case $target in
  machine)
    if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then sudo=(); else sudo=(--sudo); fi
    pgrx_install --release --pg-config "$PG_CONFIG" "${sudo[@]}"
    ;;
  package) cargo pgrx package "${FEATURES[@]}" --pg-config "$PG_CONFIG" ;;
  dev | release)
    # cargo says what is fresh; the copy is then needed only if a file is newer than the last one.
    cargo build --lib --profile "$target" "${FEATURES[@]}"
    stamp=$(server_root "$target")/installed
    folder=$target && [ "$target" = release ] || folder=debug
    newer=$(find "${CARGO_TARGET_DIR:-target}/$folder/libpg_folio.so" pg_folio.control sql Cargo.toml -newer "$stamp" 2>&1 | head -n1) || : # find fails where there is no stamp yet
    [ -n "$newer" ] || exit 0
    pgrx_install --profile "$target" --pg-config "$(server_path "$target" bindir)/pg_config"
    touch "$stamp"
    ;;
  *) die "install.sh: no profile '$target'" "dev, release, package or machine" ;;
esac
