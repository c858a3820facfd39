#!/bin/sh
# Fetches the scripts that a page carries, as src/superres/report/page/vendor/parts.py names them, with npm.
# For another version: change it there, run this, and write the hash that it says.
set -eu
cd "$(dirname "$0")/.."
vendor=src/superres/report/page/vendor
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

PYTHONPATH=src python3 -c '
from superres.report.page.vendor.parts import PARTS
for part in PARTS:
    print(part.file, part.package, part.source, part.sha256)
' | while read -r file package source sha256; do
    (cd "$folder" && npm pack --silent "$package" >name && tar xzf "$(cat name)")
    cp "$folder/package/$source" "$vendor/$file"
    echo "$sha256  $vendor/$file" | sha256sum --check || sha256sum "$vendor/$file"
done
