#!/usr/bin/env bash
# What CREATE EXTENSION ... VERSION asks for where that release is not installed: a library that exports the functions of
# the version's frozen script and can do nothing, and the script that names it.
#   old-release.sh VERSION HEADERS LIBRARIES EXTENSIONS   the server's headers, and the folders that the two files go to
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$1 headers=$2 libraries=$3 extensions=$4
name=pg_folio_of_${version//./_} script=sql/releases/pg_folio--$1.sql
source=$(mktemp --suffix=.c)
trap 'rm -f "$source"' EXIT
{
  printf '#include "postgres.h"\n#include "fmgr.h"\nPG_MODULE_MAGIC;\n'
  grep -o "'MODULE_PATHNAME', '[a-z_]*'" "$script" | cut -d"'" -f4 | sort -u |
    sed 's/.*/PG_FUNCTION_INFO_V1(&);\nDatum &(PG_FUNCTION_ARGS) { elog(ERROR, "only its name is here"); }/'
} >"$source"
cc -shared -fPIC -I"$headers" -o "$libraries/$name.so" "$source"
sed "s/'MODULE_PATHNAME'/'\$libdir\/$name'/" "$script" >"$extensions/pg_folio--$version.sql"
