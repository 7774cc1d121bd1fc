#!/usr/bin/env bash
# Builds the static, OpenMP-free XGBoost that the engine links, from the C++ sources that the crate xgboost_lib-sys
# carries. Nothing is downloaded but that crate. Once per version: about 6 minutes on 2 cores; later runs end at once.
#
# Why not the crate's own ways: its prebuilt library is shared and brings OpenMP, whose threads do not survive a fork
# and cannot be counted; its local_build compiles the C++ again for every profile and every change of a link argument.
#
#   XGBOOST_LIB_DIR   where libxgboost.a goes (default target/xgboost/lib, where .cargo/config.toml looks for it)
#   JOBS              parallel compilers (default: all cores)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

settings=(
  -DCMAKE_BUILD_TYPE=Release
  -DBUILD_STATIC_LIB=ON
  -DUSE_OPENMP=OFF                              # every model runs on the one thread that calls it
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON          # it ends in a shared object that Postgres loads
  -DCMAKE_CXX_VISIBILITY_PRESET=hidden          # and must not meet another XGBoost in the same server
  -DCMAKE_VISIBILITY_INLINES_HIDDEN=ON
  -DKEEP_BUILD_ARTIFACTS_IN_BINARY_DIR=ON       # the sources are cargo's, not ours to write into
)

for tool in cargo cmake ninja ar c++; do
  command -v "$tool" >/dev/null || { echo "build-xgboost: $tool not found (Debian: apt-get install cmake ninja-build g++)" >&2; exit 1; }
done

lib_dir=${XGBOOST_LIB_DIR:-target/xgboost/lib}
mkdir -p "$lib_dir"
lib_dir=$(cd "$lib_dir" && pwd)

manifest=$(cargo metadata --format-version 1 --locked | grep -o '"manifest_path":"[^"]*/xgboost_lib-sys-[^"]*/Cargo.toml"' | cut -d'"' -f4)
[ -f "$manifest" ] || { echo "build-xgboost: the crate xgboost_lib-sys is not among the dependencies" >&2; exit 1; }
crate=$(dirname "$manifest")

# The stamp names all that the library depends on; a library with the same stamp is up to date.
stamp=$(printf '%s\n' "$(basename "$crate")" "${settings[@]}" "$(c++ -dumpfullversion -dumpmachine | tr '\n' ' ')")
if [ -f "$lib_dir/libxgboost.a" ] && [ "$(cat "$lib_dir/libxgboost.stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "XGBoost ($(basename "$crate")) is up to date in $lib_dir"
  exit 0
fi

build=$(dirname "$lib_dir")/build
log=$build/build.log
rm -rf "$build" "$lib_dir/libxgboost.stamp"
mkdir -p "$build"
echo "Building XGBoost ($(basename "$crate")) once: about 6 minutes on 2 cores; log in $log"
SECONDS=0
{
  cmake -S "$crate/xgboost" -B "$build" -G Ninja "${settings[@]}"
  cmake --build "$build" --target xgboost --parallel "${JOBS:-$(nproc)}"
} >"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "build-xgboost: failed, see $log" >&2; exit 1; }

# The -sys crate links one library; dmlc, which XGBoost stands on, goes into the same archive.
dmlc=$(find "$build" -name libdmlc.a)
xgboost=$(find "$build" -name libxgboost.a)
ar -M <<MRI
create $lib_dir/libxgboost.a.new
addlib $xgboost
addlib $dmlc
save
end
MRI
mv "$lib_dir/libxgboost.a.new" "$lib_dir/libxgboost.a"
printf '%s\n' "$stamp" >"$lib_dir/libxgboost.stamp"
find "$build" -mindepth 1 ! -name build.log -delete
echo "Built $lib_dir/libxgboost.a in $((SECONDS / 60)) min $((SECONDS % 60)) s"
