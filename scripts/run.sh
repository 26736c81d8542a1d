#!/usr/bin/env bash
# The main job, end to end: the server on its embedded database, the plugin from its zip in a real QGIS.
#   scripts/run.sh [DATA]
# With a display QGIS opens, server address and demonstration account filled in; closing it ends the server.
# Without one the plugin does an analyst's whole job on a virtual display and leaves what it made in build/demo/ (build/demo-real/ with DATA).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
data=${1:-}
say() { printf 'run: %s\n' "$*"; }

server_folder=build/demo-server
[ -n "$data" ] && server_folder=build/demo-server-real
demo=build/demo${data:+-real}
profile=build/demo-profile
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
scripts/demo_data.sh "$server_folder" "$data"

scripts/package.sh
rm -rf "$profile/profiles/default/python/plugins/safestats"
mkdir -p "$profile/profiles/default/python/plugins" "$profile/profiles/default/QGIS" "$demo"
unzip -q build/safestats.zip -d "$profile/profiles/default/python/plugins"
cat > "$profile/profiles/default/QGIS/QGIS3.ini" <<'INI'
[PythonPlugins]
safestats=true

[qgis]
checkVersion=false
showTips340=false
enableMacros=Never
newsFeed\disabled=true

[app]
checkVersion=false
INI

# A free port of the loopback address, and the server on it for as long as this script lives.
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
processes=()
finish() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap finish EXIT
SAFESTATS_DATA_DIR=$server_folder SAFESTATS_PORT=$port .venvs/server/bin/safestats serve > "$server_folder/server.log" 2>&1 &
processes+=($!)
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/v1/health" >/dev/null && break
    kill -0 "${processes[0]}" 2>/dev/null || { cat "$server_folder/server.log" >&2; say "the server did not start (see above)" >&2; exit 1; }
    sleep 0.1
done
say "the server answers on http://127.0.0.1:$port"
say "licensing officers check a place at http://127.0.0.1:$port/check: sign in as camden.officer, password in $server_folder/demo-password"

export SAFESTATS_DEMO_SERVER=http://127.0.0.1:$port
export SAFESTATS_DEMO_PASSWORD_FILE=$PWD/$server_folder/demo-password
export SAFESTATS_DEMO_FOLDER=$PWD/$demo
export SAFESTATS_DEMO_REAL=${data:+1}
export SAFESTATS_LOCAL_ROOT=$PWD/build/demo-local-copies
export PYTHONPATH=$PWD/scripts  # demo_desk.py takes its steps with what lies beside it
qgis=(qgis --profiles-path "$profile" --profile default --nologo --noversioncheck --code scripts/demo_desk.py)

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    say "opening QGIS; sign in as camden.analyst, the password is filled in"
    "${qgis[@]}"
    exit 0
fi

say "no display: doing an analyst's whole job on a virtual one"
rm -rf "${demo:?}"/* "$SAFESTATS_LOCAL_ROOT"
export SAFESTATS_DEMO_HEADLESS=1 QT_QPA_PLATFORM=xcb
display=:$(( 90 + RANDOM % 900 ))
Xvfb "$display" -screen 0 1920x1080x24 -nolisten tcp >/dev/null 2>&1 &
processes+=($!)
export DISPLAY=$display
for _ in $(seq 50); do [ -S "/tmp/.X11-unix/X${display#:}" ] && break; sleep 0.1; done
openbox >/dev/null 2>&1 &
processes+=($!)
status=0
timeout 900 "${qgis[@]}" > "$demo/qgis.log" 2>&1 || status=$?
if ! [ -f "$demo/job.log" ] || ! grep -q '^done' "$demo/job.log"; then
    cat "$demo/job.log" 2>/dev/null >&2 || true
    tail -n 20 "$demo/qgis.log" >&2
    say "the analyst's job did not end as it should (status $status, see above and $demo/qgis.log)" >&2
    exit 1
fi
cat "$demo/job.log"
say "everything is in $demo/"
