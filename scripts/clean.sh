#!/usr/bin/env bash
# Stops Superset and the clusters of this checkout and removes all that was built: target/ and the private servers.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
scripts/bi.sh stop >/dev/null
state=$(state_dir)
for cluster in "$state"/clusters/*/; do
  [ ! -d "$cluster" ] || scripts/cluster.sh stop "$(basename "$cluster")"
done
rm -rf "$state" "$ROOT/target"
