#!/usr/bin/env bash
# Runs the tests: shared code in both environments, the server on both engines, then the plugin in a real QGIS.
#   scripts/test.sh        what must hold in every commit
#   scripts/test.sh slow   what takes longer
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

marker='not slow' on_postgis='not slow and not above_engines'
[ "${1:-}" = slow ] && marker=slow on_postgis='slow or above_engines'
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
mkdir -p build
# Two parts at a time, for two cores. Each writes into a file of its own, which is shown when all are through.
rm -rf build/test-*.log build/test-*.status build/test-taken
mkdir build/test-taken
say() { printf 'test: %s\n' "$*"; }
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

# Longest first, so that both lanes end at about the same time. The server's tests are halved by their names.
parts=(desk spatialite-1 spatialite-2 postgis-2 end-to-end postgis-1 console)
first=(tests/server/test_[a-o]*.py)
second=(tests/server/test_[!a-o]*.py)
tests_of() { # PART MARKER: run its tests
    case $1 in
    postgis-1) SAFESTATS_TEST_ENGINE=postgis "$python" -m pytest -q -p no:cacheprovider "${first[@]}" -m "$on_postgis" ;;
    postgis-2) SAFESTATS_TEST_ENGINE=postgis "$python" -m pytest -q -p no:cacheprovider "${second[@]}" -m "$on_postgis" ;;
    spatialite-1) SAFESTATS_TEST_ENGINE=spatialite "$python" -m pytest -q -p no:cacheprovider "${first[@]}" -m "$2" ;;
    spatialite-2)
        SAFESTATS_TEST_ENGINE=spatialite "$python" -m pytest -q -p no:cacheprovider tests/shared "${second[@]}" -m "$2"
        ;;
    console) "$python" -m pytest -q -p no:cacheprovider tests/console -m "$2" ;;
    desk) QT_QPA_PLATFORM=offscreen "$desk" -m pytest -q -p no:cacheprovider tests/shared tests/plugin -m "$2" ;;
    end-to-end) QT_QPA_PLATFORM=offscreen "$desk" -m pytest -q -p no:cacheprovider tests/end_to_end -m "$2" ;;
    esac
}
lane() { # take part after part until none is left
    local name status began
    for name in "${parts[@]}"; do
        mkdir "build/test-taken/$name" 2>/dev/null || continue # the other lane has it
        status=0 began=$SECONDS
        tests_of "$name" "$marker" > "build/test-$name.log" 2>&1 || status=$?
        echo "$status" > "build/test-$name.status"
        say "$name: $(tail -n 1 "build/test-$name.log") ($((SECONDS - began)) s)"
    done
}

say "${#parts[@]} parts in two lanes: their outputs follow when all are through"
lane &
lane &
wait
version=$("$python" -c 'import platform; print(platform.python_version())')
for half in 1 2; do show "spatialite-$half" "server on SpatiaLite, $half of 2 (Python $version)"; done
for half in 1 2; do show "postgis-$half" "server on PostGIS, $half of 2 (Python $version)"; done
show console 'console (server process and Chromium)'
show desk "desk (QGIS $("$desk" -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION)' 2>/dev/null))"
show end-to-end 'end to end (server process, QGIS and files)'
[ "$failed" -eq 0 ] || { printf '\nSome part failed.\n'; exit 1; }
printf '\nAll parts passed.\n'
