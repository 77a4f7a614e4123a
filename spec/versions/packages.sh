#!/usr/bin/env bash
# packages.sh - unpacks packages of another suite or machine into a folder.
#
#   packages.sh SUITE MACHINE FOLDER PACKAGE...   into FOLDER/root: trixie amd64 ...
#   packages.sh SUITE source FOLDER PACKAGE       into FOLDER/source, its first tar archive
#
# Downloads them from the archive that apt is configured for, with separate lists and cache below
# FOLDER. If they are not available, prints why and exits with status 3.
set -euo pipefail

suite=$1 machine=$2 folder=$3
shift 3

unavailable() {
  echo "$suite, $machine: $*: not available" >&2
  exit 3
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || unavailable "apt"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
site=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(SITE)' 2>/dev/null |
  awk -v own="$codename" '$1 == own && $2 == "main" { print $3; exit }')
test -n "$site" || unavailable "an apt source of $codename main"

mkdir -p "$folder"/{etc,lists/partial,cache/archives/partial}
folder=$(cd "$folder" && pwd)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=
test -f "$keyring" && signed="[signed-by=$keyring]"
kind=deb
test "$machine" = source && kind=deb-src
echo "$kind $signed $site $suite main" >"$folder/etc/sources.list"
get=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/etc/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache"
  -o Dir::State::status=/dev/null -o APT::Sandbox::User=)
test "$machine" = source || get+=(-o "APT::Architecture=$machine" -o "APT::Architectures=$machine")

cd "$folder"
"${get[@]}" update >log 2>&1 || unavailable "lists of packages"
if test "$machine" = source; then
  "${get[@]}" source --download-only "$@" >>log 2>&1 || unavailable "source of $*"
  mkdir -p source
  tar -xf "$(ls ./*.orig.tar.* | head -1)" -C source --strip-components=1
else
  "${get[@]}" download "$@" >>log 2>&1 || unavailable "$*"
  for package in *.deb; do dpkg-deb -x "$package" root; done
fi
