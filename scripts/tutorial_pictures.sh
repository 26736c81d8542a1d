#!/usr/bin/env bash
# The steps of docs/tutorial.md on the demonstration's data, in a real QGIS on a virtual display, each with its picture.
#   scripts/tutorial_pictures.sh
# Pictures and a log are in build/tutorial/; those of the tutorial go to docs/images/ once all steps succeeded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
server_folder=build/demo-server
folder=$PWD/build/tutorial
scripts/demo_data.sh "$server_folder"

. scripts/on_a_display.sh

mkdir -p "$folder"
rm -f "$folder"/*

# A free port of the loopback address, and the server on it for as long as this script lives.
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
SAFESTATS_DATA_DIR=$server_folder SAFESTATS_PORT=$port .venvs/server/bin/safestats serve > "$folder/server.log" 2>&1 &
processes+=($!)
for _ in $(seq 300); do
    curl -sf "http://127.0.0.1:$port/v1/health" >/dev/null && break
    kill -0 "${processes[0]}" 2>/dev/null || { cat "$folder/server.log" >&2; exit 1; }
    sleep 0.1
done

on_a_display 1680x1050
export SAFESTATS_TUTORIAL_FOLDER=$folder SAFESTATS_TUTORIAL_SERVER=http://127.0.0.1:$port
export SAFESTATS_TUTORIAL_PASSWORD_FILE=$PWD/$server_folder/demo-password SAFESTATS_LOCAL_ROOT=$profile/copies
timeout 900 qgis --profiles-path "$profile" --profile default --nologo --noversioncheck \
    --code scripts/tutorial_pictures.py > "$folder/qgis.log" 2>&1 || true
cat "$folder/tutorial.log"
grep -q '^done' "$folder/tutorial.log"

# At the size and with the colours that suffice.
for picture in "$folder"/tutorial-*.png; do
    convert "$picture" -resize '1280x>' -strip +dither -colors 128 -define png:compression-level=9 \
        -define png:exclude-chunks=date,time "PNG8:docs/images/$(basename "$picture")"
done
