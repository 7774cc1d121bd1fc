#!/usr/bin/env bash
# install.sh PROFILE             builds the extension (dev or release) and installs it into that profile's private server
# install.sh package             builds a release into target/release/pg_folio-pgNN, as a tree to copy over a server's
# install.sh machine [PROFILE]   builds it (a release) and installs it into the Postgres of PG_CONFIG
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
target=${1:?install.sh dev|release|package|machine}

# The files of a build of profile $1 for the server of pg_config $2, below target/PROFILE/pg_folio-pgNN or in $3.
package() {
  local out=${3:-}
  cargo pgrx package "${FEATURES[@]}" --profile "$1" --pg-config "$2" ${out:+--out-dir "$out"}
  add_upgrades "${out:-${CARGO_TARGET_DIR:-$ROOT/target}/release/pg_folio-pg$PG}$("$2" --sharedir)/extension"
}

# An update is the installation script between what puts the old rows aside and what brings them home: a database that
# was updated is by construction one that was installed anew. Old versions have control files of their own: what they made
# is not safe for strangers, so they are not trusted.
add_upgrades() {
  local before step
  for before in sql/upgrade/*.before.sql; do
    step=$(basename "$before" .before.sql)
    cat "$before" "$1/pg_folio--${step##*--}.sql" "${before%.before.sql}.after.sql" >"$1/pg_folio--$step.sql"
  done
  cp sql/releases/pg_folio--*-tables*.sql sql/upgrade/pg_folio--*.control "$1/"
}

# Puts file $1 to $2 by a new file beside it that then takes the name. A server that runs has the old one mapped:
# writing into it would crash every session, and so would a moment without it fail those that are about to load it.
replace() {
  "${sudo[@]}" cp "$1" "$2.new"
  "${sudo[@]}" chmod "$3" "$2.new"
  "${sudo[@]}" sync "$2.new"
  "${sudo[@]}" mv -fT "$2.new" "$2"
}

# Builds profile $1 and installs it into the server of pg_config $2. The library comes first and the control file last:
# it is what says that the new version's script is there.
place() {
  local stage=${CARGO_TARGET_DIR:-$ROOT/target}/stage library extension file
  library=$("$2" --pkglibdir) extension=$("$2" --sharedir)/extension
  rm -rf "$stage"
  package "$1" "$2" "$stage"
  sudo=()
  { [ -w "$library" ] && [ -w "$extension" ]; } || sudo=(as_root)
  "${sudo[@]}" mkdir -p "$extension"
  replace "$stage$library/pg_folio.so" "$library/pg_folio.so" 755
  for file in "$stage$extension"/pg_folio--*.{control,sql} "$stage$extension/pg_folio.control"; do
    replace "$file" "$extension/${file##*/}" 644
  done
  rm -rf "$stage"
}

# Whether the private server of a profile has what cargo has just said is fresh. By content: what a test run installed
# in between is newer, and another library.
up_to_date() {
  local folder=$1 there
  [ "$folder" != dev ] || folder=debug
  there=$(server_path "$1" pkglibdir)/pg_folio.so
  cmp -s "${CARGO_TARGET_DIR:-target}/$folder/libpg_folio.so" "$there" &&
    [ -z "$(find pg_folio.control Cargo.toml sql -newer "$there")" ]
}

# The version that the machine's server has on its disk.
installed_version() { sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" "$("$PG_CONFIG" --sharedir)/extension/pg_folio.control"; }

machine() {
  local before='' now
  [ "$PG_CONFIG" != "$(fetched_config)" ] || die "this machine has no Postgres $PG to install into" \
    "the one that was fetched for tests is not to be used; name yours: make install PG=$PG PG_CONFIG=/path/to/pg_config"
  [ ! -f "$("$PG_CONFIG" --pkglibdir)/pg_folio.so" ] || before=$(installed_version)
  place "$1" "$PG_CONFIG"
  now=$(installed_version)
  say "pg_folio $now is installed in $("$PG_CONFIG" --version)."
  if [ -z "$before" ]; then
    echo "In each database that is to have it: CREATE EXTENSION pg_folio;"
    return
  fi
  echo "Sessions that have used pg_folio keep the old library until they reconnect. A server with pg_folio in"
  echo "shared_preload_libraries keeps it for all sessions until it is restarted."
  [ "$before" = "$now" ] || echo "It was version $before. In each database that has it: ALTER EXTENSION pg_folio UPDATE;"
}

case $target in
  machine) machine "${2:-release}" ;;
  package) package release "$PG_CONFIG" ;;
  dev | release)
    cargo build --lib --profile "$target" "${FEATURES[@]}"
    up_to_date "$target" || place "$target" "$(server_path "$target" bindir)/pg_config"
    ;;
  *) die "install.sh: no profile '$target'" "dev, release, package or machine" ;;
esac
