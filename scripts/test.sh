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

# Both engines at once, each into a file of its own, which is shown when it is through.
server=(.venvs/server/bin/python -m pytest -q -m "$marker")
declare -A process
SAFESTATS_TEST_ENGINE=spatialite "${server[@]}" tests/shared tests/server > build/test-spatialite.log 2>&1 & process[spatialite]=$!
SAFESTATS_TEST_ENGINE=postgis "${server[@]}" -p no:cacheprovider tests/server > build/test-postgis.log 2>&1 & process[postgis]=$!
trap 'kill "${process[@]}" 2>/dev/null || true' EXIT
failed=0
for engine in spatialite postgis; do
    status=0
    wait "${process[$engine]}" || status=$?
    printf '\n== server on %s (Python %s)\n' "$engine" "$(.venvs/server/bin/python -c 'import platform; print(platform.python_version())')"
    cat "build/test-$engine.log"
    passed "$status" || failed=1
done
trap - EXIT
[ "$failed" -eq 0 ] || exit 1

tests "console (server process and Chromium)" .venvs/server/bin/python -m pytest -q tests/console
export QT_QPA_PLATFORM=offscreen
tests "desk (QGIS $(.venvs/desk/bin/python -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION)' 2>/dev/null))" \
    .venvs/desk/bin/python -m pytest -q tests/shared tests/plugin
tests "end to end (server process, QGIS and files)" \
    .venvs/desk/bin/python -m pytest -q tests/end_to_end
printf '\nAll parts passed.\n'
