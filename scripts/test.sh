#!/usr/bin/env bash
# Runs the tests: shared code in both environments, the server on both engines, then the plugin in a real QGIS.
#   scripts/test.sh        what must hold in every commit
#   scripts/test.sh slow   what takes longer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

marker='not slow'
[ "${1:-}" = slow ] && marker=slow
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
mkdir -p build
# Exit status 5 is pytest's for "no test matched", which a marker may well give for one part.
passed() { [ "$1" -eq 0 ] || [ "$1" -eq 5 ]; }
tests() {
    printf '\n== %s\n' "$1"
    shift
    local status=0
    "$@" -m "$marker" || status=$?
    passed "$status" || exit "$status"
}

# Two lanes at once, for two cores: PostgreSQL takes longest, the other engine and the browser go beside it. Each part
# writes into a file of its own, which is shown when it is through.
python=.venvs/server/bin/python
part() { # NAME COMMAND…: its output and status in build/
    local name=$1 status=0
    shift
    "$@" -m "$marker" > "build/test-$name.log" 2>&1 || status=$?
    echo "$status" > "build/test-$name.status"
}
rm -f build/test-*.log build/test-*.status
SAFESTATS_TEST_ENGINE=postgis part postgis "$python" -m pytest -q -p no:cacheprovider tests/server &
first=$!
{
    SAFESTATS_TEST_ENGINE=spatialite part spatialite "$python" -m pytest -q tests/shared tests/server
    part console "$python" -m pytest -q tests/console
} &
second=$!
# Whoever interrupts ends both lanes, and what they started.
trap 'trap - INT TERM; kill 0' INT TERM
wait "$first" "$second"
trap - INT TERM
failed=0
for name in spatialite postgis console; do
    case $name in
        console) title='console (server process and Chromium)' ;;
        *) title="server on $name (Python $("$python" -c 'import platform; print(platform.python_version())'))" ;;
    esac
    printf '\n== %s\n' "$title"
    cat "build/test-$name.log"
    passed "$(cat "build/test-$name.status")" || failed=1
done
[ "$failed" -eq 0 ] || exit 1

export QT_QPA_PLATFORM=offscreen
tests "desk (QGIS $(.venvs/desk/bin/python -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION)' 2>/dev/null))" \
    .venvs/desk/bin/python -m pytest -q tests/shared tests/plugin
tests "end to end (server process, QGIS and files)" \
    .venvs/desk/bin/python -m pytest -q tests/end_to_end
printf '\nAll parts passed.\n'
