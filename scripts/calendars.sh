#!/usr/bin/env bash
# The trading days of the exchanges anew: crates/folio-core/src/calendar/exchanges.txt.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/python.sh
. "$ROOT/scripts/python.sh"

venv=$ROOT/target/calendars
target=$ROOT/crates/folio-core/src/calendar/exchanges.txt
mkdir -p "$ROOT/target"
need_venv "$venv" bench/calendars/requirements.txt
"$venv/bin/python" bench/calendars/exchanges.py >"$target.new" || die "the calendars were not written" "the old ones stay"
mv "$target.new" "$target"
say "$(grep -c '^exchange' "$target") exchanges in ${target#"$ROOT/"}"
