#!/usr/bin/env bash
# SafeStats in QGIS's own places (locator bar, options, help), in a real QGIS on a virtual display; for docs/images.
#   scripts/home_pictures.sh [SCALE]
# SCALE is the display's, such as 1.5. The pictures are in build/home/<scale>/; once 1 and 1.5 are there, those of the
# guide are renewed in docs/images.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${1:-1}
folder=$PWD/build/home/$scale
. scripts/on_a_display.sh

mkdir -p "$folder"

on_a_display 2400x1600
cat > "$profile/premises.csv" <<'CSV'
name,licence,postcode
The Invented Arms,LN/0001,NW1 8QP
The Invented Theatre,LN/0002,NW1 8NH
CSV
printf '\n[safestats]\npremises_list=%s\n' "$profile/premises.csv" >> "$profile/profiles/default/QGIS/QGIS3.ini"
export QT_SCALE_FACTOR=$scale SAFESTATS_LOCAL_ROOT=$profile/copies SAFESTATS_PICTURES=$folder
timeout 150 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/home_pictures.py > "$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2; exit 1; }
ls "$folder"

shrink() { # NAME FILES…: below each other, small
    local name=$1
    shift
    convert "$@" -append -resize '1400x>' -strip +dither -colors 64 \
        -define png:compression-level=9 -define png:exclude-chunks=date,time "PNG8:docs/images/$name.png"
}
if [ -f build/home/1/help.png ] && [ -f build/home/1.5/help.png ]; then
    shrink locator build/home/1/locator-premises.png
    shrink options build/home/1/options.png
    shrink help-150 build/home/1.5/options.png build/home/1.5/help.png
fi
