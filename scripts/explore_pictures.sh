#!/usr/bin/env bash
# The explore dock in a real QGIS on a virtual display, on invented incidents.
#   scripts/explore_pictures.sh [SCALE]
# SCALE is the display’s, such as 1.5. Pictures and a log are in build/explore/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scale=${1:-1}
folder=$PWD/build/explore
profile=$(mktemp -d)
processes=()
finish() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$profile"
}
trap finish EXIT

# The plugin as it is in the working tree: a package of that name.
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
Xvfb "$display" -screen 0 2400x1800x24 -nolisten tcp >/dev/null 2>&1 &
processes+=($!)
export DISPLAY=$display QT_QPA_PLATFORM=xcb QT_SCALE_FACTOR=$scale
for _ in $(seq 50); do [ -S "/tmp/.X11-unix/X${display#:}" ] && break; sleep 0.1; done
openbox >/dev/null 2>&1 &
processes+=($!)
export SAFESTATS_PICTURES=$folder SAFESTATS_LOCAL_ROOT=$profile/copies
timeout 180 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/explore_pictures.py > "$folder/qgis.log" 2>&1 || true
cat "$folder/explore.log"
grep -q '^done' "$folder/explore.log"
