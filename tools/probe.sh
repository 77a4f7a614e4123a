#!/bin/sh
# probe.sh - checks that the compiler and the headers of Lua and LMDB are there.
#
#   sh tools/probe.sh COMPILER [FLAG ...]     as they are used for the build
#
# Prints nothing if all are found. Otherwise prints what is missing and how to install it, and
# exits with status 1.
set -u

compiler=$1
shift
preprocess() {
  echo "$source" | "$compiler" "$@" -E -x c -o /dev/null -
}

missing=
if ! command -v "$compiler" >/dev/null; then
  missing="a C compiler ($compiler)"
else
  source="int x;"
  preprocess "$@" || exit 1
  for header in stdio.h lua.h lmdb.h; do
    source="#include <$header>"
    preprocess "$@" 2>/dev/null || missing="$missing${missing:+, }$header"
  done
fi
test -n "$missing" || exit 0

echo "tidetable: missing: $missing" >&2
if command -v dpkg-query >/dev/null; then
  echo "  to install what the build needs, type: make setup-build" >&2
else
  echo "  the build needs a C compiler, Lua 5.4 with its headers and LMDB 0.9 with its header" >&2
fi
case $missing in
*.h*) echo "  headers elsewhere: make LUA_INCDIR=directory LMDB_INCDIR=directory" >&2 ;;
esac
exit 1
