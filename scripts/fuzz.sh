#!/usr/bin/env bash
# fuzz.sh [MINUTES [TARGET...]]   each target of fuzz/ (or these) for MINUTES (10), one after the other. A finding ends it: its
#                                 input is in target/fuzz/artifacts. What the inputs reach is kept in fuzz/corpus, a file a target.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup
minutes=${1:-10}
targets=("${@:2}")
work=$ROOT/target/fuzz
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cd fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//')

if ! cargo fuzz --version >/dev/null 2>&1; then
  say "Installing cargo-fuzz into target/tools (2 minutes)"
  cargo install --locked --quiet --root "$ROOT/target/tools" cargo-fuzz --version 0.13.2
fi

# The engine is safe Rust: what is looked for are panics, overflows, hangs and broken promises, which need no sanitizer. So the
# stable compiler serves, the one that everything else is built with.
fuzz() { cargo fuzz "$1" --fuzz-dir fuzz --target-dir "$work/target" --sanitizer none "${@:2}"; }

fuzz build
for target in "${targets[@]}"; do
  corpus=$work/corpus/$target artifacts=$work/artifacts/$target
  rm -rf "$corpus" "$artifacts"
  mkdir -p "$corpus" "$artifacts"
  [ ! -f "fuzz/corpus/$target.tar.gz" ] || tar -C "$corpus" -xzf "fuzz/corpus/$target.tar.gz"
  options=(-max_total_time="$(awk "BEGIN {print int(60 * $minutes)}")" -timeout=60 -rss_limit_mb=4096 -max_len=8192 -print_final_stats=1
    -artifact_prefix="$artifacts/")
  [ ! -f "fuzz/dictionaries/$target.txt" ] || options+=(-dict="fuzz/dictionaries/$target.txt")
  say "$target for $minutes minutes, from $(find "$corpus" -type f | wc -l) inputs"
  fuzz run "$target" "$corpus" -- "${options[@]}" >"$work/$target.log" 2>&1 || die "$target has a finding" "$(tail -n 60 "$work/$target.log")"
  say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") inputs were run, none was a finding"
  # The fewest that reach the same.
  mkdir -p "$corpus.least" fuzz/corpus
  fuzz run "$target" -- -merge=1 "$corpus.least" "$corpus" >"$work/$target.merge.log" 2>&1
  tar -C "$corpus.least" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . | gzip -9n >"fuzz/corpus/$target.tar.gz"
  say "$target: $(find "$corpus.least" -type f | wc -l) inputs are kept"
  rm -rf "$corpus.least"
done
