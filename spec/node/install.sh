#!/bin/sh
# install.sh - installs what make test-node needs from npm into a directory: the dependencies of
# examples/kinesis, and kinesalite, an emulator of Kinesis.
#
#   sh spec/node/install.sh FOLDER
#
# Does nothing if FOLDER has them. Prints the reason and exits with status 1 if they cannot be
# installed.
set -eu

kinesalite=3.3.3

skip() {
  echo "test-node: Kinesis skipped: $1"
  exit 1
}

folder=$1
node=${NODE:-node}
major=$("$node" -p 'process.versions.node.split(".")[0]')
test "$major" -ge 20 || skip "Node $major is older than 20, which the AWS SDK needs"
wanted=$(dirname "$0")/../../examples/kinesis/package.json
cmp -s "$wanted" "$folder/package.json" && test -e "$folder/installed-$kinesalite" && exit 0

command -v npm >/dev/null || skip "there is no npm (package npm)"
rm -rf "$folder"
mkdir -p "$folder"
cp "$wanted" "$folder/package.json"
npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-save --no-package-lock \
  --loglevel error "kinesalite@$kinesalite" >/dev/null || skip "npm cannot install the packages"
touch "$folder/installed-$kinesalite"
