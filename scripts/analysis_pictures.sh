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
profile=$(mktemp -d)
processes=()
finish() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$profile"
}
trap finish EXIT

# The plugin as it is in the working tree: a package of that name.
rm -f "$folder"/*.png
mkdir -p "$folder" "$profile/profiles/default/python/plugins" "$profile/profiles/default/QGIS"
ln -s "$PWD" "$profile/profiles/default/python/plugins/safestats"
cat > "$profile/profiles/default/QGIS/QGIS3.ini" <<'INI'
[PythonPlugins]
safestats=true

[qgis]
checkVersion=false
showTips340=false
newsFeed\disabled=true

[app]
checkVersion=false
INI

display=:$(( 90 + RANDOM % 900 ))
Xvfb "$display" -screen 0 1920x1200x24 -nolisten tcp >/dev/null 2>&1 &
processes+=($!)
export DISPLAY=$display QT_QPA_PLATFORM=xcb QT_SCALE_FACTOR=$scale
for _ in $(seq 50); do [ -S "/tmp/.X11-unix/X${display#:}" ] && break; sleep 0.1; done
openbox >/dev/null 2>&1 &
processes+=($!)
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
