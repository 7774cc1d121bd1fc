#!/usr/bin/env bash
# The .deb in clean roots that have no compiler: Debian 12 with its Postgres 15, Debian 13 with its 17. In each: installed by
# apt, created by a database's owner, forecasts, a scheduled portfolio, an update from 0.1.0 with data, the same bits as
# from `make install`, a processor without AVX, removed. The packages must be there: make package, make package PG=17.
#   test-package.sh [bookworm] [trixie]
# Needs root (chroot, mount), debootstrap, and a mirror of Debian; no container engine.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

is_root || die "NOT TESTED: packages are installed in a chroot, which needs root"
command -v debootstrap >/dev/null || scripts/setup.sh package debootstrap
declare -A majors=([bookworm]=15 [trixie]=17)
mirror=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || :; } |
  awk '$1 == "URIs:" || $1 == "deb" {print $2; exit}')
[ -n "$mirror" ] || die "NOT TESTED: this machine knows no mirror of Debian"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
roots=/var/tmp/pg_folio-roots root='' log=$ROOT/target/test-package.log
unsaid=()

leave() {
  [ -n "$root" ] || return 0
  [ ! -d "$root/var/run/postgresql" ] || inside pg_ctlcluster "$PG" main stop -m immediate >/dev/null 2>&1 || :
  ! mountpoint -q "$root/dev/shm" || umount "$root/dev/shm"
  ! mountpoint -q "$root/proc" || umount "$root/proc"
  rm -rf "$root"
  root=''
}
trap 'leave; scripts/cluster.sh stop test-package || :' EXIT

inside() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
psql() { inside runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 "$@"; }
logged() { "$@" >"$log" 2>&1 </dev/null || die "'$*' failed" "$(tail -n 30 "$log")"; }

# A root with the distribution's own Postgres and pg_cron, and nothing else. Made once; each test works on a copy.
make_base() {
  local base=$roots/$1 suite
  [ ! -f "$base/made" ] || return 0
  say "A clean $1 with Postgres $PG (2 minutes)"
  rm -rf "$base"
  mkdir -p "$roots"
  logged debootstrap --variant=minbase --include=ca-certificates "$1" "$base" "$mirror"
  root=$base
  cp -L /etc/resolv.conf /etc/hosts "$base/etc/" 2>/dev/null || :
  cp -a /etc/apt/apt.conf.d/. "$base/etc/apt/apt.conf.d/"
  cp -L --remove-destination /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
  for suite in "$1" "$1-updates"; do echo "deb $mirror $suite main"; done >"$base/etc/apt/sources.list"
  echo "deb ${mirror%/}-security $1-security main" >>"$base/etc/apt/sources.list"
  # No service starts by itself in a chroot.
  printf '#!/bin/sh\nexit 101\n' >"$base/usr/sbin/policy-rc.d"
  chmod +x "$base/usr/sbin/policy-rc.d"
  mount -t proc proc "$base/proc"
  logged inside apt-get update
  logged inside apt-get install -y --no-install-recommends "postgresql-$PG" "postgresql-$PG-cron"
  umount "$base/proc"
  root=''
  touch "$base/made"
}

enter() {
  make_base "$1"
  root=$roots/$1-run
  rm -rf "$root"
  cp -a --reflink=auto "$roots/$1" "$root"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mkdir -p "$root/srv/folio"
  cp target/packages/"postgresql-$PG-pg-folio"{,-dbgsym}"_$version-1_$(dpkg --print-architecture).deb" "$root/srv/folio/"
  cp demo/prices.csv.gz tests/package/*.sql tests/upgrade/*.sql "$root/srv/folio/"
  for tool in cc gcc c++ make rustc cargo; do
    ! inside sh -c "command -v $tool" >/dev/null || die "the clean root has $tool"
  done
}

install_package() {
  logged inside sh -c "apt-get install -y /srv/folio/postgresql-$PG-pg-folio_*.deb"
  logged inside sh -c "apt-get install -y /srv/folio/postgresql-$PG-pg-folio-dbgsym_*.deb"
  {
    printf "listen_addresses = ''\nshared_preload_libraries = 'pg_folio,pg_cron'\ncron.database_name = 'market'\n"
    printf "cron.use_background_workers = on\nmax_worker_processes = 16\ntimezone = 'UTC'\n"
  } >>"$root/etc/postgresql/$PG/main/postgresql.conf"
  printf 'local all all trust\n' >"$root/etc/postgresql/$PG/main/pg_hba.conf"
  logged inside pg_ctlcluster "$PG" main start
}

# Everything as the database's owner, who is no superuser; pg_cron is a superuser's to give.
first_minute() {
  psql -c 'CREATE ROLE analyst LOGIN' -c 'CREATE DATABASE market OWNER analyst'
  psql -d market -c 'CREATE EXTENSION pg_cron' -c 'GRANT USAGE ON SCHEMA cron TO analyst'
  logged psql -U analyst -d market -f /srv/folio/first_minute.sql
  local tries
  for ((tries = 0; tries < 180; tries++)); do
    [ "$(psql -At -U analyst -d market -c "SELECT count(*) FROM folio.run_history WHERE status = 'succeeded'")" = 0 ] || break
    sleep 1
  done
  [ "$(psql -At -U analyst -d market -c "SELECT round(sum(weight)::numeric, 6) FROM folio.current_weight")" = 1.000000 ] ||
    die "pg_cron has not run the portfolio" "$(psql -d market -c 'TABLE folio.run_history' -c 'TABLE cron.job_run_details')"
  psql -At -U analyst -d market -c "SELECT folio.unschedule_rebalance('core')" >/dev/null
}

# A database of 0.1.0 with its data, updated by the package's files.
update_from() {
  local scratch
  scratch=$(mktemp -d)
  scripts/old-release.sh "$1" "$("$PG_CONFIG" --includedir-server)" "$root/usr/lib/postgresql/$PG/lib" "$root/usr/share/postgresql/$PG/extension"
  psql -c 'CREATE DATABASE old'
  psql -d old -c "CREATE EXTENSION pg_folio VERSION '$1'"
  logged psql -d old -f "/srv/folio/desk_of_$1.sql"
  psql -d old -c 'ALTER EXTENSION pg_folio UPDATE'
  logged psql -d old -f /srv/folio/check.sql
  rm -f "$root/usr/lib/postgresql/$PG/lib/pg_folio_of_"*.so "$root/usr/share/postgresql/$PG/extension/pg_folio--$1.sql"
  rmdir "$scratch"
}

# What `make install` would give on this machine, which is a Debian 12.
installed_digest() {
  scripts/install.sh release >"$log" 2>&1 || die "install.sh failed" "$(tail -n 20 "$log")"
  scripts/cluster.sh start test-package release preload
  scripts/cluster.sh psql test-package -q -f demo/load.sql >/dev/null
  scripts/cluster.sh psql test-package -qAt -f tests/package/digest.sql
  scripts/cluster.sh stop test-package
}

same_bits() {
  local package
  package=$(psql -At -U analyst -d market -f /srv/folio/digest.sql)
  if [ "$package" = "$installed" ]; then
    echo "  results are those of 'make install' to the bit"
  elif [ "$1" = bookworm ]; then
    die "results are not those of 'make install'" "$package, and $installed"
  else
    unsaid+=("$1: results differ from those of 'make install' on this machine, whose libm is another")
  fi
}

# Every model in a server that an emulator runs on a processor of 2008, without AVX.
old_processor() {
  if ! command -v qemu-x86_64-static >/dev/null; then
    unsaid+=("$1: NOT TESTED on a processor without AVX, for want of qemu-x86_64-static (apt: qemu-user-static)")
    return
  fi
  cp "$(command -v qemu-x86_64-static)" "$root/srv/folio/qemu"
  logged inside pg_ctlcluster "$PG" main stop
  inside runuser -u postgres -- /srv/folio/qemu -cpu Nehalem "/usr/lib/postgresql/$PG/bin/postgres" --single -F \
    -c shared_preload_libraries= -c folio.threads_per_call=2 -D "/var/lib/postgresql/$PG/main" \
    -c "config_file=/etc/postgresql/$PG/main/postgresql.conf" market <"tests/package/models.sql" >"$log" 2>&1 ||
    die "the server has ended on a processor without AVX" "$(tail -n 20 "$log")"
  [ "$(grep -c '2: status = "ok"' "$log")" = 8 ] || die "not every model runs on a processor without AVX" "$(tail -n 40 "$log")"
  echo "  all eight models run on a processor without AVX (qemu, Nehalem)"
  logged inside pg_ctlcluster "$PG" main start
}

remove_package() {
  psql -U analyst -d market -c 'DROP EXTENSION pg_folio'
  sed -i "s/'pg_folio,pg_cron'/'pg_cron'/" "$root/etc/postgresql/$PG/main/postgresql.conf"
  logged inside apt-get remove -y "postgresql-$PG-pg-folio"
  logged inside pg_ctlcluster "$PG" main restart
  local left
  left=$(find "$root/usr" "$root/etc" "$root/var/lib/postgresql" -iname '*pg*folio*')
  [ -z "$left" ] || die "the package leaves files behind" "$left"
  psql -d market -c 'SELECT count(*) FROM public.prices' >/dev/null
}

test_in() {
  export PG=${majors[$1]:?no such Debian: $1}
  PG_CONFIG=/usr/lib/postgresql/$PG/bin/pg_config
  [ -x "$PG_CONFIG" ] || PG_CONFIG=$(fetched_config)
  [ -f "target/packages/postgresql-$PG-pg-folio_$version-1_$(dpkg --print-architecture).deb" ] ||
    die "there is no package for Postgres $PG" "make package PG=$PG"
  local began=$SECONDS
  say "Debian $1, Postgres $PG"
  enter "$1"
  install_package
  echo "  installed"
  first_minute
  echo "  created by the database's owner; forecast, portfolio, schedule"
  update_from 0.1.0
  echo "  updated from 0.1.0 with its rows and grants"
  same_bits "$1"
  old_processor "$1"
  remove_package
  echo "  removed, with nothing left"
  leave
  say "Debian $1 passed in $((SECONDS - began)) s"
}

[ $# -gt 0 ] || set -- bookworm trixie
PG=15 need_setup
installed=$(PG=15 installed_digest)
for codename in "$@"; do test_in "$codename"; done
[ ${#unsaid[@]} = 0 ] || printf '%s\n' "${unsaid[@]}"
