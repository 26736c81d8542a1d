#!/usr/bin/env bash
# Builds build/safestats.zip, the plugin as QGIS installs it, with pb_tool. Whom to ask, and where, is put into its metadata where
# SAFESTATS_PLUGIN_EMAIL, _HOMEPAGE, _TRACKER and _REPOSITORY say it (all four, or none).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staging=build/plugin
rm -rf "$staging" && mkdir -p "$staging"
.venvs/desk/bin/pb_tool deploy --no-confirm -p "$staging" >build/package.log 2>&1 || { cat build/package.log >&2; exit 1; }
find "$staging" -name __pycache__ -type d -prune -exec rm -rf {} +
metadata=$staging/safestats/metadata.txt
for name in email homepage tracker repository; do
    variable=SAFESTATS_PLUGIN_${name^^}
    value=${!variable:-}
    [ -z "$value" ] || sed -i "/^author=/a $name=${value//\\/}" "$metadata"
done
# The same files give the same zip: fixed order and times.
find "$staging" -exec touch -d 2026-01-01T00:00:00Z {} +
rm -f build/safestats.zip
(cd "$staging" && find safestats -type f | LC_ALL=C sort | zip -q -X ../safestats.zip -@)
printf 'package: build/safestats.zip (%s)\n' "$(du -h build/safestats.zip | cut -f 1)"
