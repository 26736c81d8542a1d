#!/usr/bin/env bash
# Runs the tests: shared code in both environments, the server, then the plugin in a real QGIS.
#   scripts/test.sh        what must hold in every commit
#   scripts/test.sh slow   what takes longer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

marker='not slow'
[ "${1:-}" = slow ] && marker=slow
# Exit status 5 is pytest's for "no test matched", which a marker may well give for one part.
tests() {
    printf '\n== %s\n' "$1"
    shift
    local status=0
    "$@" -m "$marker" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 5 ] || exit "$status"
}

tests "server (Python $(.venvs/server/bin/python -c 'import platform; print(platform.python_version())'))" \
    .venvs/server/bin/python -m pytest -q tests/shared tests/server
export QT_QPA_PLATFORM=offscreen
tests "desk (QGIS $(.venvs/desk/bin/python -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION)' 2>/dev/null))" \
    .venvs/desk/bin/python -m pytest -q tests/shared tests/plugin
tests "end to end (server process, QGIS and files)" \
    .venvs/desk/bin/python -m pytest -q tests/end_to_end
printf '\nAll parts passed.\n'
