#!/usr/bin/env bash
# What the forecasts are worth, on 20 US stocks from 1990 to 2022: the tables of docs/evaluation.md.
#   scripts/evaluate.sh [STRIDE]     the ensemble and its members, at origins STRIDE days apart (7)
#   scripts/evaluate.sh peers        the ensemble beside Python packages, at every 6th of those origins
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

FOLDER=$ROOT/target/evaluation
PRICES=$FOLDER/sp500_dataset.csv
FORECASTS=$FOLDER/forecasts.csv
# The prices are in a Python package; they are not ours to copy into the repository.
SKFOLIO=skfolio==1.12.2
PRICES_SHA256=5f769c6d7be57f62a4dfd1f553995855462a17c92b21a4af4245439c6115617f
PEERS=(statsforecast==2.1.1 mlforecast==1.1.0 xgboost-cpu pandas numpy)

# A Python of its own, under target/.
pip_of_its_own() {
  [ -x "$FOLDER/python/bin/pip" ] || python3 -m venv "$FOLDER/python" ||
    die "no Python environment could be made" "on Debian: apt-get install python3-venv"
  "$FOLDER/python/bin/pip" "$@" --quiet --disable-pip-version-check
}

prices() {
  [ -f "$PRICES" ] && return
  mkdir -p "$FOLDER"
  say "Fetching the prices that $SKFOLIO brings"
  pip_of_its_own download --no-deps --dest "$FOLDER" "$SKFOLIO"
  "$FOLDER/python/bin/python" - "$FOLDER" "$PRICES" <<'PYTHON'
import glob, gzip, sys, zipfile
folder, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(f"{folder}/skfolio-*.whl")[0]) as wheel:
    data = gzip.decompress(wheel.read("skfolio/datasets/data/sp500_dataset.csv.gz"))
open(target, "wb").write(data)
PYTHON
  echo "$PRICES_SHA256  $PRICES" | sha256sum --check --status ||
    die "the prices are not those that docs/evaluation.md speaks of" "remove $FOLDER and try again"
}

# The dev profile optimises; with it every dependency is compiled once for this and for the tests.
ensemble() {
  prices
  say "Evaluating (origins 7 days apart take 45 minutes of CPU time)"
  cargo run --quiet -p folio-core --example evaluate -- "$PRICES" "$1" "$FORECASTS"
}

peers() {
  prices
  [ -f "$FORECASTS" ] || die "the ensemble's forecasts are missing" "run 'make evaluate' first"
  say "Installing the packages to compare with"
  pip_of_its_own install "${PEERS[@]}"
  say "Forecasting with them (half an hour of CPU time)"
  "$FOLDER/python/bin/python" bench/peers.py "$PRICES" "$FORECASTS" 6
}

case ${1:-7} in
peers) peers ;;
*[!0-9]* | 0) die "'$1' is no number of days between origins" "write: make evaluate STRIDE=21" ;;
*) ensemble "${1:-7}" ;;
esac
