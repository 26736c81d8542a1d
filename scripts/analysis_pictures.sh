#!/usr/bin/env bash
# Every analysis of the hotspot dock, once, in a real QGIS on a virtual display, on invented incidents.
#   scripts/analysis_pictures.sh [SCALE [NAME …]]
# SCALE is the display's, such as 1.5; NAMEs are analyses, all where none is given. Pictures and a log are in build/analyses/,
# those that the documentation shows in docs/images/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${1:-1}
shift || true
folder=$PWD/build/analyses
. scripts/on_a_display.sh

rm -f "$folder"/*.png
mkdir -p "$folder"

on_a_display 1920x1200
export QT_SCALE_FACTOR=$scale
export SAFESTATS_PICTURES=$folder SAFESTATS_LOCAL_ROOT=$profile/copies SAFESTATS_ANALYSES="$*"
timeout 600 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/analysis_pictures.py > "$folder/qgis.log" 2>&1 || true
cat "$folder/analyses.log"
grep -q '^done' "$folder/analyses.log"

# Those that the documentation shows, at the size and with the colours that suffice.
pictures=(emerging-hot-spots repeat-locations near-repeat back-test)
suffix=
[ "$scale" = 1 ] || { pictures=(hot-routes); suffix=-${scale/./}0; }
for name in "${pictures[@]}"; do
    [ -f "$folder/$name.png" ] || continue
    convert "$folder/$name.png" -resize '1400x>' -strip +dither -colors 128 -define png:compression-level=9 \
        -define png:exclude-chunks=date,time "PNG8:docs/images/analysis-$name$suffix.png"
done
