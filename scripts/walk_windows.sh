#!/usr/bin/env bash
# Walks through every dock and dialog of the plugin in a real QGIS on a virtual display with a window manager, by keys and
# clicks that xdotool sends to the X server, and takes a picture of each.
#   scripts/walk_windows.sh                       at 100 % (on 1366×768) and at 150 % (on 1920×1080); renews docs/images/windows/
#   scripts/walk_windows.sh SCALE [SECTION …]     at one scale, such as 1.5; SECTIONs are those of scripts/walk_windows.py
# Pictures and a log are in build/windows/<scale>/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stop() { printf 'walk: %s\n' "$*" >&2; exit 1; }
command -v xdotool >/dev/null || stop "xdotool is missing, which presses keys and buttons: install it (apt-get install xdotool), then run this again."

if [ -z "${1:-}" ]; then
    scripts/walk_windows.sh 1
    scripts/walk_windows.sh 1.5
    exec scripts/renew_images.sh windows
fi
scale=$1
shift
size=1366x768
[ "$scale" = 1 ] || size=1920x1080
folder=$PWD/build/windows/$scale
mkdir -p "$folder"
rm -f "$folder"/*
scripts/demo_data.sh build/demo-server

. scripts/on_a_display.sh

# A server of its own, for a publisher signs in and a page is noted; of the demonstration's data.
cp -a build/demo-server "$profile/server"
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
export SAFESTATS_DATA_DIR=$profile/server
.venvs/server/bin/safestats user add gla.publisher --org gla --name "GLA publisher (demonstration)" --role publisher \
    --password-stdin < "$profile/server/demo-password" > "$folder/server.log"
# A dataset of which Camden gets counts only.
.venvs/server/bin/safestats agreement add DSA-CAMDEN-LFB --org camden --dataset lfb --from 2024-01-01 --to 2030-12-31 \
    --basis "Public task: preventing crime and disorder." --purposes violence-reduction,policy --review 2027-03-31 \
    --contact "data-protection:Data protection officer (demonstration):dpo@camden.example" \
    --contact "operational:Community safety team (demonstration):safety@camden.example" \
    --onward "None." --controller "Greater London Authority:independent" >> "$folder/server.log"
.venvs/server/bin/safestats agreement grant DSA-CAMDEN-LFB --areas london --fields core,area,location --precision aggregate \
    >> "$folder/server.log"
for party in "" "--party=Greater London Authority"; do
    .venvs/server/bin/safestats agreement sign DSA-CAMDEN-LFB --by "A director (demonstration)" ${party:+"$party"} >> "$folder/server.log"
done
.venvs/server/bin/safestats agreement activate DSA-CAMDEN-LFB >> "$folder/server.log"
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
SAFESTATS_PORT=$port .venvs/server/bin/safestats serve >> "$folder/server.log" 2>&1 &
processes+=($!)
for _ in $(seq 300); do
    curl -sf "http://127.0.0.1:$port/v1/health" >/dev/null && break
    kill -0 "${processes[0]}" 2>/dev/null || { cat "$folder/server.log" >&2; exit 1; }
    sleep 0.1
done

on_a_display "$size"
# Where files lie is read in some of the pictures.
shown=/tmp/safestats-at-$scale
rm -rf "$shown"
mkdir -p -m 700 "$shown/exported"
trap 'rm -rf "$shown"; finish' EXIT
export HOME=$shown QT_SCALE_FACTOR=$scale SAFESTATS_WALK_SECTIONS="$*" SAFESTATS_LOCAL_ROOT=$shown/copies
export SAFESTATS_WALK_FOLDER=$folder SAFESTATS_WALK_OUTPUT=$shown/exported
export SAFESTATS_WALK_SERVER=http://127.0.0.1:$port SAFESTATS_WALK_SERVER_PROCESS=${processes[0]}
export SAFESTATS_WALK_PASSWORD_FILE=$profile/server/demo-password
timeout 1800 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/walk_windows.py > "$folder/qgis.log" 2>&1 || true
cat "$folder/walk.log"
grep -q '^done' "$folder/walk.log" || stop "not every window was walked through (see above, $folder/qgis.log and the pictures of trouble)."
