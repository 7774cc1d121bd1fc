#!/usr/bin/env bash
# release.sh            the notes of the present version, from CHANGELOG.md
# release.sh VERSION    VERSION in every file that names one; CHANGELOG.md must have its section, and sql/releases the scripts
#                       of the version that was released before, so that there is an update from it
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

present=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)

# The section of version $1, without its heading.
notes() { awk -v heading="## $1" '$0 == heading {inside = 1; next} /^## / {inside = 0} inside' CHANGELOG.md; }

# What must be there before a version is: its notes, an update from the present one, and that one's frozen script.
check() {
  [[ $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "'$1' is no version" "three numbers: 0.3.0"
  [ "$(printf '%s\n' "$present" "$1" | sort -V | tail -n1)" = "$1" ] || die "$1 is older than the present version, $present"
  [ -n "$(notes "$1" | tr -d '[:space:]')" ] || die "CHANGELOG.md has no section '## $1'" "write what it brings"
  [ "$1" = "$present" ] || [ -f "sql/releases/pg_folio--$present.sql" ] ||
    die "sql/releases has no script of $present" "copy the one that 'make package' made, with its line in SHA256SUMS"
  [ "$1" = "$present" ] || [ -f "sql/upgrade/$present--$1.before.sql" ] ||
    die "there is no update from $present to $1" "write sql/upgrade/$present--$1.before.sql and .after.sql"
}

bump() {
  local old=${present//./\\.}
  sed -i "0,/^version = \"$old\"/s//version = \"$1\"/" Cargo.toml crates/folio-core/Cargo.toml crates/folio-chart/Cargo.toml
  sed -i "s/\"version\": \"$old\"/\"version\": \"$1\"/" META.json
  cargo update --quiet --offline --package pg_folio --package folio-core --package folio-chart
  python3 packaging/check_meta.py "$1"
}

if [ $# = 0 ]; then
  notes "$present"
  exit 0
fi
check "$1"
bump "$1"
say "Everything says $1 now. Its notes:"
notes "$1"
echo "Look at 'git diff', run 'make test', then commit and tag v$1; the workflow builds the packages of a tag."
