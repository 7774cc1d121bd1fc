#!/usr/bin/env bash
# The documentation as a book, target/book/index.html: the pages of docs/ in the order of SUMMARY.md, and a reference made
# of the comments of an extension that is installed for it.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
MDBOOK_VERSION=0.4.52

python3 scripts/links.py || die "links lead nowhere"
pages=$ROOT/target/book-src
rm -rf "$pages"
mkdir -p "$pages"
cp -r docs/. "$pages/"
cp README.md ARCHITECTURE.md CONTRIBUTING.md SECURITY.md CHANGELOG.md "$pages/"
# In the book, what lies beside docs/ is beside its pages.
sed -i 's|](\.\./\([A-Z]*\.md\)|](\1|g; s|](docs/|](|g' "$pages"/*.md

scripts/install.sh dev
trap 'scripts/cluster.sh stop book || :' EXIT
scripts/cluster.sh start book dev
scripts/cluster.sh psql book -qc 'CREATE EXTENSION pg_folio'
scripts/cluster.sh psql book -qAt -v ON_ERROR_STOP=1 -f docs/reference.sql | python3 scripts/reference.py >"$pages/reference.md"
say "The reference: $(grep -c '^### ' "$pages/reference.md") entries in target/book-src/reference.md"

if ! command -v mdbook >/dev/null; then
  say "Installing mdbook $MDBOOK_VERSION into target/tools (3 minutes)"
  cargo install --locked --quiet --root "$ROOT/target/tools" --no-default-features --features search mdbook --version "$MDBOOK_VERSION"
fi
mdbook build
say "The book: target/book/index.html"
