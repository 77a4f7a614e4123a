#!/usr/bin/env bash
# machines.sh - builds and runs the unit tests for another processor or C library.
#
#   machines.sh arm64    built by a cross compiler, run by qemu's user mode
#   machines.sh musl     built and run with musl, and with an LMDB built with it
#
# If something required is not available, prints a message and exits with status 0. make installs
# the compilers; packages.sh unpacks the other packages below TIDETABLE_BUILD.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$1
work=$(realpath -m "$TIDETABLE_BUILD/$target")
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-unknown}")
skipped=" "
why=

skip() {
  echo "$target: skipped: $*"
  exit 0
}

fetch() {
  bash spec/versions/packages.sh "$codename" "$@" || skip "packages of $codename"
}

case $target in
arm64)
  command -v aarch64-linux-gnu-gcc >/dev/null || skip "no aarch64-linux-gnu-gcc"
  command -v qemu-aarch64 >/dev/null || skip "no qemu-aarch64"
  fetch arm64 "$work/packages" liblmdb0 liblmdb-dev liblua5.4-dev
  include=$work/packages/root/usr/include
  libraries=$work/packages/root/usr/lib/aarch64-linux-gnu
  compiler=aarch64-linux-gnu-gcc
  settings=("LUA_INCDIR=$include/lua5.4" "CFLAGS=-I$include/aarch64-linux-gnu")
  run=(qemu-aarch64 -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=$libraries")
  skipped=" test_recovery test_slot_lock test_store test_tide "
  why="kills a process that holds a mutex; qemu's user mode has no robust mutexes"
  ;;
musl)
  command -v musl-gcc >/dev/null || skip "no musl-gcc"
  fetch source "$work/packages" lmdb
  source=$work/packages/source/libraries/liblmdb
  include=$source
  libraries=$work/packages
  compiler=musl-gcc
  musl-gcc -O2 -w -fPIC -shared -pthread -Wl,-soname,liblmdb.so.0 \
    -o "$libraries/liblmdb.so.0" "$source/mdb.c" "$source/midl.c"
  ln -sf liblmdb.so.0 "$libraries/liblmdb.so"
  # lua.h includes a header of glibc's, in a directory that musl-gcc does not search.
  settings=("CFLAGS=-idirafter /usr/include/$(gcc -print-multiarch)")
  run=(env "LD_LIBRARY_PATH=$libraries")
  ;;
esac

run_one() {
  timeout "${LIMIT:-300}" "${run[@]}" "$1" >"$work/log" 2>&1
}

${MAKE:-make} BUILD="$work/build" VARIANT=release CC=$compiler LMDB_INCDIR="$include" \
  LMDB_LIBDIR="$libraries" "${settings[@]}" programs

failed=0
for program in "$work"/build/unit/test_*; do
  name=$(basename "$program")
  if [[ $skipped == *" $name "* ]]; then
    echo "skipped $name, $target: $why"
  elif run_one "$program" || run_one "$program"; then   # an emulator may be too slow once
    echo "ok $name, $target"
  else
    echo "not ok $name, $target, status $?:"
    cat "$work/log"
    failed=1
  fi
done
exit $failed
