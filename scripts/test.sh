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
# Two lanes at a time, for two cores. Each part writes into a file of its own, which is shown when it is through.
rm -f build/test-*.log build/test-*.status
say() { printf 'test: %s\n' "$*"; }
part() { # NAME COMMAND…: its output and status in build/
    local name=$1 status=0 began=$SECONDS
    shift
    "$@" -m "$marker" > "build/test-$name.log" 2>&1 || status=$?
    echo "$status" > "build/test-$name.status"
    say "$name: $(tail -n 1 "build/test-$name.log") ($((SECONDS - began)) s)"
}
failed=0
show() { # NAME TITLE: how it went
    printf '\n== %s\n' "$2"
    cat "build/test-$1.log"
    # 5 is pytest's for "no test matched", which a marker may well give for one part.
    case $(cat "build/test-$1.status") in 0 | 5) ;; *) failed=1 ;; esac
}
# Whoever interrupts ends both lanes, and what they started.
trap 'trap - INT TERM; kill 0' INT TERM
python=.venvs/server/bin/python
desk=.venvs/desk/bin/python

say 'two lanes, PostGIS then both ends, SpatiaLite then console and desk: their outputs follow when both are through'
{
    SAFESTATS_TEST_ENGINE=postgis part postgis "$python" -m pytest -q -p no:cacheprovider tests/server
    QT_QPA_PLATFORM=offscreen part end-to-end "$desk" -m pytest -q -p no:cacheprovider tests/end_to_end
} &
{
    SAFESTATS_TEST_ENGINE=spatialite part spatialite "$python" -m pytest -q tests/shared tests/server
    part console "$python" -m pytest -q tests/console
    QT_QPA_PLATFORM=offscreen part desk "$desk" -m pytest -q tests/shared tests/plugin
} &
wait
version=$("$python" -c 'import platform; print(platform.python_version())')
show spatialite "server on SpatiaLite (Python $version)"
show postgis "server on PostGIS (Python $version)"
show console 'console (server process and Chromium)'
show desk "desk (QGIS $("$desk" -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION)' 2>/dev/null))"
show end-to-end 'end to end (server process, QGIS and files)'
[ "$failed" -eq 0 ] || { printf '\nSome part failed.\n'; exit 1; }
printf '\nAll parts passed.\n'
