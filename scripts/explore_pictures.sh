#!/usr/bin/env bash
# The explore dock in a real QGIS on a virtual display, on invented incidents.
#   scripts/explore_pictures.sh [SCALE]
# SCALE is the display’s, such as 1.5. Pictures and a log are in build/explore/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${1:-1}
folder=$PWD/build/explore
. scripts/on_a_display.sh

mkdir -p "$folder"

on_a_display 2400x1800
export QT_SCALE_FACTOR=$scale
export SAFESTATS_PICTURES=$folder SAFESTATS_LOCAL_ROOT=$profile/copies
timeout 180 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/explore_pictures.py > "$folder/qgis.log" 2>&1 || true
cat "$folder/explore.log"
grep -q '^done' "$folder/explore.log"
