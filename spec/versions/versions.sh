#!/usr/bin/env bash
# versions.sh - tests with every available LMDB 0.9, and with each pair of versions.
#
#   make versions SUITES="bookworm trixie forky"
#
# The LMDB of a suite is built from its source. If the archive has no source, the binary is used
# with the C library of its suite. Runs all unit tests with each version. For each pair, both
# versions write one database, one after the other and at the same time, and mdb_stat of one runs
# in a loop while the other opens and closes it. LMDBs without robust mutexes must be refused.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(realpath -m "$TIDETABLE_BUILD/versions")
here=spec/versions
names=()
failed=0
mkdir -p "$work/log"

report() { # what, command...: one line if it went well, else all that it said
  local what=$1
  shift
  if "$@" >"$work/log/last" 2>&1; then
    echo "ok $what"
  else
    echo "not ok $what, status $?:"
    cat "$work/log/last"
    failed=1
  fi
}

build() { # folder, flags...: liblmdb and mdb_stat from folder/source
  local at=$1 source=$1/source/libraries/liblmdb
  shift
  ${CC:-gcc} -O2 -w -fPIC -shared -pthread "$@" -Wl,-soname,liblmdb.so.0 -o "$at/liblmdb.so.0" \
    "$source/mdb.c" "$source/midl.c"
  ${CC:-gcc} -O2 -w -pthread "$@" -o "$at/mdb_stat" "$source/mdb_stat.c" "$source/mdb.c" \
    "$source/midl.c"
  printf '#!/bin/sh\nexec env LD_LIBRARY_PATH="%s" "$@"\n' "$at" >"$at/run"
  chmod +x "$at/run"
}

# A binary of another suite needs the C library of that suite, so the loader of that suite runs all
# programs.
take_binary() { # folder
  local at=$1 lib machine
  machine=$(${CC:-gcc} -print-multiarch)
  lib=$(dirname "$(find "$at/root" -name libc.so.6 | head -1)")
  printf '#!/bin/sh\nprogram=$(command -v "$1"); shift\nexec %s --library-path %s:%s:%s %s "$@"\n' \
    "$(find "$lib" -name 'ld-linux*' | head -1)" "$lib" "$at/root/usr/lib/$machine" \
    "/usr/lib/$machine" '"$program"' >"$at/run"
  printf '#!/bin/sh\nexec %s/run %s/root/usr/bin/mdb_stat "$@"\n' "$at" "$at" >"$at/mdb_stat"
  chmod +x "$at/run" "$at/mdb_stat"
}

add() { # folder: by the version it has, once
  local at=$1 version
  version=$("$at/run" "$LUA" -e 'print(require "tidetable".version().lmdb:match "%d[%d.]+%d")')
  if test -e "$work/$version"; then return; fi
  ln -s "$at" "$work/$version"
  names+=("$version")
}

fetch() { # suite
  local at=$work/suite-$1 machine
  machine=$(dpkg --print-architecture)
  if bash $here/packages.sh "$1" source "$at" lmdb 2>/dev/null; then
    build "$at"
  elif bash $here/packages.sh "$1" "$machine" "$at" liblmdb0 lmdb-utils libc6; then
    take_binary "$at"
  else
    echo "versions: skipped: LMDB of $1"
    return
  fi
  add "$at"
}

units() { # version
  local program name
  for program in "$TIDETABLE_BUILD"/unit/test_*; do
    name=$(basename "$program")
    timeout 300 "$work/$1/run" "$program" || { echo "$name failed"; return 1; }
  done
}

peer() { # version, arguments of peer.lua
  local version=$1
  shift
  timeout 120 "$work/$version/run" "$LUA" $here/peer.lua "$@"
}

pair() { # version, version: alone one after the other, then at the same time
  local file=$work/pair.tide one two
  rm -f "$file"*
  peer "$1" write "$file" a 50 && peer "$2" write "$file" b 50 &&
    peer "$1" verify "$file" 100 || return
  peer "$1" write "$file" c 100 d & one=$!
  peer "$2" write "$file" d 100 c & two=$!
  wait $one && wait $two && peer "$1" verify "$file" 300 && peer "$2" verify "$file" 300
}

beside_others() { # version of theirs, version of ours: mdb_stat in a loop
  local file=$work/beside.tide loop status=0
  rm -f "$file"*
  peer "$2" write "$file" a 1
  while :; do "$work/$1/mdb_stat" -n "$file" >/dev/null 2>&1 || :; done & loop=$!
  peer "$2" opens "$file" 500 || status=$?
  kill $loop
  wait $loop 2>/dev/null || :
  return $status
}

find "$work" -maxdepth 1 -type l -delete
for suite in $SUITES; do fetch "$suite"; done
if test ${#names[@]} = 0; then
  echo "versions: skipped: no LMDB can be had from this machine's apt sources"
  exit 0
fi
echo "versions: ${names[*]}"
for version in "${names[@]}"; do report "unit tests, $version" units "$version"; done
for one in "${names[@]}"; do
  for two in "${names[@]}"; do
    report "$one with $two" pair "$one" "$two"
    report "mdb_stat $one beside $two" beside_others "$one" "$two"
  done
done
for folder in "$work"/suite-*; do
  test -d "$folder/source" || continue
  for flag in MDB_USE_ROBUST=0 MDB_USE_POSIX_SEM=1; do
    odd=$work/odd
    rm -rf "$odd" && mkdir "$odd" && cp -r "$folder/source" "$odd/"
    build "$odd" -D$flag
    report "$(basename "$(readlink -f "$folder")") with $flag is refused" \
      "$odd/run" "$LUA" $here/peer.lua refused "$work/odd.tide"
  done
done
exit $failed
