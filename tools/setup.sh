#!/bin/sh
# setup.sh - installs the Debian packages that a target of the Makefile needs.
#
#   sh tools/setup.sh TARGET     TARGET: build, tools, test, lint, fuzz, peers, valgrind, arm64,
#                                musl or all
#
# Does nothing if no package is missing. Otherwise prints the missing packages and installs them
# with apt-get, as root or through sudo. Exits with status 1, after printing the command to type,
# if they cannot be installed. Without dpkg it only prints what to look for, with status 0.
set -eu

packages_of() {
  build="gcc libc6-dev lua5.4 liblua5.4-dev liblmdb-dev"
  tools="lua-argparse lua-cqueues"
  tests="$build $tools lua-busted lua-dkjson lua-luv lua-copas lua-socket"
  lint="$tests lua-check clang luarocks"
  peers="$tests libsqlite3-dev librocksdb-dev redis-server libhiredis-dev lua-sql-sqlite3 \
    lua-cjson jq sqlite3"
  case $1 in
  build) echo "$build" ;;
  tools) echo "$tools" ;;
  test) echo "$tests" ;;
  lint) echo "$lint" ;;
  fuzz) echo "$tests clang libclang-rt-dev" ;;
  peers) echo "$peers" ;;
  valgrind) echo "$tests valgrind" ;;
  arm64) echo "$tests gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
  musl) echo "$tests musl-tools" ;;
  all) echo "$lint $peers libclang-rt-dev valgrind" ;;
  *)
    echo "setup: unknown target: $1" >&2
    exit 2
    ;;
  esac
}

is_installed() {
  dpkg-query -W -f '${db:Status-Status} ' "$1" 2>/dev/null | grep -q '^installed'
}

# Prints the command that installs the missing packages, and stops.
refuse() {
  echo "setup: $1; type:" >&2
  echo "  sudo apt-get update && sudo apt-get install$missing" >&2
  exit 1
}

# Returns true if sudo works, which needs a terminal unless no password is required.
can_use_sudo() {
  command -v sudo >/dev/null && { test -t 0 || sudo -n true 2>/dev/null; }
}

wanted=$(packages_of "$1")
if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian; required is what these packages contain: $wanted"
  exit 0
fi
missing=
for package in $wanted; do
  is_installed "$package" || missing="$missing $package"
done
test -n "$missing" || exit 0

echo "setup: missing packages:$missing"
if test "$(id -u)" = 0; then
  as=
elif can_use_sudo; then
  as=sudo
else
  refuse "only root can install them"
fi
get="$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
echo "setup: installing them"
$get update || refuse "apt-get update failed"
$get install -y --no-install-recommends $missing >/dev/null || refuse "apt-get install failed"
