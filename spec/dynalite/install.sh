#!/bin/sh
# install.sh - installs dynalite, the judge of make oracle-dynalite, from npm into a directory.
#
#   sh spec/dynalite/install.sh FOLDER
#
# Does nothing if FOLDER has it. Prints the reason and exits with status 1 if it cannot be
# installed. dynalite 4 needs Node 20, dynalite 3 runs with older versions.
set -eu

skip() {
  echo "oracle-dynalite: skipped: $1"
  exit 1
}

folder=$1
node=${NODE:-node}
command -v "$node" >/dev/null || skip "there is no Node (package nodejs)"
major=$("$node" -p 'process.versions.node.split(".")[0]')
test "$major" -ge 14 || skip "Node $major is older than 14"
test "$major" -ge 20 && version=4.0.0 || version=3.2.2
manifest=$folder/node_modules/dynalite/package.json
grep -q "\"version\": \"$version\"" "$manifest" 2>/dev/null && exit 0

command -v npm >/dev/null || skip "there is no npm (package npm)"
mkdir -p "$folder"
echo '{ "private": true }' >"$folder/package.json"
npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-save --loglevel error \
  "dynalite@$version" >/dev/null || skip "npm cannot install dynalite $version"
