#!/bin/sh
# demo.sh - places orders, runs the pipeline until all are processed, and shows its output.
#
#   sh examples/pipeline/demo.sh [NUMBER]        in a clone: make demo-pipeline
set -e
here=$(dirname "$0") folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
database=$folder/shop.tide MAIL_DIR=$folder/mails
export MAIL_DIR
mkdir "$MAIL_DIR"
"${LUA:-lua5.4}" "$here/shop.lua" "$database" "${1:-12}"

# Status 5: everything was processed, and the mails to an address that is none are parked.
tidetable run "$database" "$here/pipeline.lua" --once 2>"$folder/log" || test $? -eq 5 ||
	{ cat "$folder/log" >&2; exit 1; }

for table in orders stock invoices customers
do
	echo "$table:"
	tidetable scan "$database" "$table" --format json
done
echo "mails:"
cat "$MAIL_DIR"/* | grep Invoice | sort
echo "parked:"
tidetable consumers "$database" mail parked --format json |
	sed 's/.*"keys":\({[^}]*}\).*/\1/'
