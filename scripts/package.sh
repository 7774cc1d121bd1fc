#!/usr/bin/env bash
# The files of a release for Postgres $PG, in target/packages: package.sh [deb] [tar] [rpm] [pgxn] [image]; all if none is
# named. All but pgxn are made of one build, whose library is first held against what is promised of it: small, nothing
# to install beside it, any x86-64 processor. The linters of each format look at it where the machine has them.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
need_setup

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
machine=$(uname -m)
name=postgresql-$PG-pg-folio # as apt.postgresql.org names extensions
out=$ROOT/target/packages stage=$ROOT/target/packages/stage-$PG
# Two packages of one commit are equal to the byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
# Debian's names for who made a package.
DEBFULLNAME=${DEBFULLNAME:-The pg_folio developers}
DEBEMAIL=${DEBEMAIL:-$(git log -1 --format=%ae 2>/dev/null || echo root@localhost)}
most_bytes=20000000 # of which XGBoost is half
unlinted=()

# --- the build --------------------------------------------------------------------------------------------------------

# stage/lib, stage/extension, stage/debug, stage/doc: what every format is made of.
build() {
  local tree=${CARGO_TARGET_DIR:-$ROOT/target}/release/pg_folio-pg$PG library
  case "${RUSTFLAGS:-}${CARGO_ENCODED_RUSTFLAGS:-}${CXXFLAGS:-}${CFLAGS:-}" in
    *target-cpu* | *target-feature* | *-march* | *-mavx*) die "a package is for every processor" "unset RUSTFLAGS, CFLAGS and CXXFLAGS" ;;
  esac
  scripts/install.sh package
  rm -rf "$stage"
  mkdir -p "$stage"/{lib,extension,debug,doc}
  library=$tree$("$PG_CONFIG" --pkglibdir)/pg_folio.so
  split_symbols "$library"
  cp "$tree$("$PG_CONFIG" --sharedir)"/extension/pg_folio* "$stage/extension/"
  chmod 644 "$stage"/extension/*
  check_library
  cp README.md CHANGELOG.md SECURITY.md LICENSE "$stage/doc/"
  python3 packaging/licences.py >"$stage/doc/THIRD-PARTY-LICENSES"
}

# What gdb needs goes apart, found again by the library's build-id.
split_symbols() {
  objcopy --only-keep-debug --compress-debug-sections=zlib "$1" "$stage/debug/pg_folio.so.debug"
  strip --strip-unneeded --remove-section=.comment --remove-section=.note -o "$stage/lib/pg_folio.so" "$1"
  # The schema has been written out; a server does not read it from here.
  objcopy --remove-section=.pgrxsc "$stage/lib/pg_folio.so" 2>/dev/null || :
  chmod 644 "$stage/lib/pg_folio.so" "$stage/debug/pg_folio.so.debug"
}

build_id() { readelf -n "$stage/lib/pg_folio.so" | sed -n 's/.*Build ID: //p'; }

check_library() {
  local library=$stage/lib/pg_folio.so size foreign
  size=$(stat -c %s "$library")
  [ "$size" -lt $most_bytes ] || die "the library has $size bytes" "a package promises less than $most_bytes"
  foreign=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vxE 'libc\.so\.6|libm\.so\.6|libgcc_s\.so\.1|libstdc\+\+\.so\.6|ld-linux-.*' || :)
  [ -z "$foreign" ] || die "the library needs $foreign" "only libc, libm, libgcc_s and libstdc++ are everywhere"
  [ -n "$(build_id)" ] || die "the library has no build-id" "its debug symbols would not be found"
  say "pg_folio.so: $size bytes, needs $(newest_symbol GLIBC) and $(newest_symbol GLIBCXX)"
}

newest_symbol() { readelf -V "$stage/lib/pg_folio.so" | grep -o "$1_[0-9.]*" | sort -Vu | tail -n1; }

# --- Debian -----------------------------------------------------------------------------------------------------------

deb_field() { sed -n "s/^$1=//p" "$stage/substvars"; }

# Which versions of which packages have the symbols that the library uses.
shlib_depends() {
  mkdir -p "$stage/debian"
  printf 'Source: pg-folio\n\nPackage: %s\nArchitecture: any\n' "$name" >"$stage/debian/control"
  (cd "$stage" && dpkg-shlibdeps -T"$stage/substvars" lib/pg_folio.so 2>/dev/null)
  rm -rf "$stage/debian"
  deb_field shlibs:Depends
}

# control NAME DEPENDS SECTION DESCRIPTION [FIELD...]
control() {
  local root=$stage/$1 line
  mkdir -p "$root/DEBIAN"
  {
    printf 'Package: %s\nSource: pg-folio\nVersion: %s-1\nArchitecture: %s\nMaintainer: %s <%s>\n' \
      "$1" "$version" "$(dpkg --print-architecture)" "$DEBFULLNAME" "$DEBEMAIL"
    printf 'Installed-Size: %s\nDepends: %s\nSection: %s\nPriority: optional\n' \
      "$(du -k --apparent-size -s --exclude=DEBIAN "$root" | cut -f1)" "$2" "$3"
    for line in "${@:5}"; do printf '%s\n' "$line"; done
    printf 'Description: %s\n' "$4"
  } >"$root/DEBIAN/control"
  (cd "$root" && find usr -type f -printf '%P\0' | sort -z | (cd usr && xargs -0 md5sum) | sed 's|  |  usr/|') >"$root/DEBIAN/md5sums"
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out" >/dev/null
}

# The files that policy wants of every package.
debian_docs() {
  local doc=$stage/$name/usr/share/doc/$name
  mkdir -p "$doc" "$stage/$name/usr/share/lintian/overrides"
  cp "$stage/doc/README.md" "$stage/doc/SECURITY.md" "$doc/"
  gzip -9n <"$stage/doc/CHANGELOG.md" >"$doc/changelog.gz"
  gzip -9n <"$stage/doc/THIRD-PARTY-LICENSES" >"$doc/THIRD-PARTY-LICENSES.gz"
  cp packaging/debian/copyright "$doc/copyright"
  printf 'pg-folio (%s-1) unstable; urgency=medium\n\n  * Release %s; changelog.gz says what it brings.\n\n -- %s <%s>  %s\n' \
    "$version" "$version" "$DEBFULLNAME" "$DEBEMAIL" "$(date -uR -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
  sed "s/@NAME@/$name/" packaging/debian/lintian-overrides >"$stage/$name/usr/share/lintian/overrides/$name"
}

deb() {
  local root=$stage/$name symbols=$stage/$name-dbgsym id description
  id=$(build_id)
  mkdir -p "$root/usr/lib/postgresql/$PG/lib" "$root/usr/share/postgresql/$PG/extension" \
    "$symbols/usr/lib/debug/.build-id/${id:0:2}" "$symbols/usr/share/doc"
  cp "$stage/lib/pg_folio.so" "$root/usr/lib/postgresql/$PG/lib/"
  cp "$stage"/extension/* "$root/usr/share/postgresql/$PG/extension/"
  debian_docs
  description=$(cat packaging/debian/description)
  control "$name" "postgresql-$PG, $(shlib_depends)" database "forecasting and portfolio construction inside PostgreSQL $PG
$description"
  cp "$stage/debug/pg_folio.so.debug" "$symbols/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
  ln -s "$name" "$symbols/usr/share/doc/$name-dbgsym"
  control "$name-dbgsym" "$name (= $version-1)" debug "debug symbols for $name" "Auto-Built-Package: debug-symbols" "Build-Ids: $id"
  lint lintian --fail-on error,warning --suppress-tags bogus-mail-host \
    "$out/${name}_$version-1_$(dpkg --print-architecture).deb" "$out/$name-dbgsym_$version-1_$(dpkg --print-architecture).deb"
}

# --- other formats ----------------------------------------------------------------------------------------------------

# One folder with lib/ and share/extension/ as they lie below a server, for those whose system has no packages.
tar_() {
  local folder=pg_folio-$version-pg$PG-linux-$machine
  mkdir -p "$stage/$folder/share"
  cp -r "$stage/lib" "$stage/$folder/lib"
  cp -r "$stage/extension" "$stage/$folder/share/extension"
  cp "$stage"/doc/* packaging/INSTALL "$stage/$folder/"
  tar -C "$stage" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cJf "$out/$folder.tar.xz" "$folder"
}

# In the layout of yum.postgresql.org, from the files that are built: nothing is compiled in it.
rpm() {
  if ! command -v rpmbuild >/dev/null; then
    say "NOT MADE: the .rpm, for this machine has no rpmbuild (Debian: apt-get install rpm)"
    return
  fi
  rpmbuild -bb --quiet --define "_topdir $stage/rpm" --define "major $PG" --define "release_of_it $version" \
    --define "files_of_it $stage" --define "_rpmdir $out" --define "_build_id_links none" \
    --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
    --define "date_of_it $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" \
    --define "packager_of_it $DEBFULLNAME <$DEBEMAIL>" packaging/rpm/pg_folio.spec >/dev/null
  lint rpmlint -c packaging/rpm/rpmlint.toml "$out/$machine/pg_folio_$PG-$version-1.$machine.rpm"
}

# The sources of HEAD with META.json, as pgxn.org distributes them.
pgxn() {
  python3 packaging/check_meta.py "$version"
  git archive --format=zip --prefix="pg_folio-$version/" -o "$out/pg_folio-$version.zip" HEAD
}

# What the images are built from: a folder for each, with its Dockerfile; and, where the machine has umoci, the extension
# image itself, which consists of files alone and needs no engine.
image() {
  local context=$out/image-$PG scratch=$out/extension-image-$PG
  rm -rf "$context" "$scratch"
  mkdir -p "$context" "$scratch/share"
  cp packaging/image/Dockerfile "$context/"
  cp "$out/${name}_$version-1_$(dpkg --print-architecture).deb" "$context/pg-folio.deb"
  cp packaging/image/Dockerfile.extension "$scratch/Dockerfile"
  cp -r "$stage/lib" "$scratch/lib"
  cp -r "$stage/extension" "$scratch/share/extension"
  cp -r "$stage/doc" "$scratch/doc"
  lint hadolint "$context/Dockerfile" "$scratch/Dockerfile"
  if command -v umoci >/dev/null; then oci_image "$scratch"; else say "NOT MADE: the OCI image, for this machine has no umoci"; fi
}

oci_image() {
  local layout=$stage/oci part
  umoci init --layout "$layout"
  umoci new --image "$layout:$version-pg$PG"
  for part in lib share doc; do umoci insert --rootless --image "$layout:$version-pg$PG" "$1/$part" "/$part"; done
  umoci config --image "$layout:$version-pg$PG" --created "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
    --architecture "$(dpkg --print-architecture)" --os linux
  umoci gc --layout "$layout"
  tar -C "$layout" -cf "$out/pg_folio-$version-pg$PG-$machine.oci.tar" .
}

# lint PROGRAM ARGUMENT...
lint() {
  if ! command -v "$1" >/dev/null; then
    unlinted+=("$1")
    return
  fi
  "$@" || die "$1 has objections"
}

[ $# -gt 0 ] || set -- deb tar rpm pgxn image
mkdir -p "$out"
[ "$*" = pgxn ] || build
for format in "$@"; do
  case $format in
    deb | rpm | pgxn | image) "$format" ;;
    tar) tar_ ;;
    *) die "package.sh: no format '$format'" "deb, tar, rpm, pgxn or image" ;;
  esac
done
rm -rf "$stage"
[ ${#unlinted[@]} = 0 ] || say "NOT LINTED, for want of the linter: ${unlinted[*]}"
say "In ${out#"$ROOT/"}:"
(cd "$out" && find . -type f -name "*$version*" -printf '  %P  %s bytes\n' | sort)
