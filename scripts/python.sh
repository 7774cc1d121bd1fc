# shellcheck shell=bash
# Python programs in virtual environments under target/, for scripts that have sourced lib.sh. Sourced, not run.

# A command whose output matters only if it fails. Others work on this machine too.
quietly() {
  local log
  log=$(mktemp)
  nice "$@" </dev/null >"$log" 2>&1 || die "'$*' failed" "$(tail -n 30 "$log")"
  rm -f "$log"
}

# The environment $1 with what the file $2 lists, made anew when the file changes.
need_venv() {
  local venv=$1 requirements=$2
  cmp -s "$requirements" "$venv/requirements.txt" && return 0
  python3 -c 'import ensurepip, venv' 2>/dev/null || scripts/setup.sh package python3-venv
  say "Installing $requirements into ${venv#"$ROOT/"}"
  python3 -m venv --clear "$venv"
  quietly "$venv/bin/pip" install --quiet --disable-pip-version-check setuptools wheel -r "$requirements"
  cp "$requirements" "$venv/requirements.txt"
}
