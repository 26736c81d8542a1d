#!/usr/bin/env bash
# Serves the demonstration's data until Ctrl-C:  scripts/serve.sh DATA PORT [ENGINE]
# ENGINE is spatialite (the embedded database, unless told) or postgis (a private cluster, which runs on afterwards).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=build/demo-server
[ -n "${1:-}" ] && folder=build/demo-server-real
database=
case ${3:-spatialite} in
spatialite) ;;
postgis)
    database=$(basename "$folder" | tr - _)
    folder=$folder-postgis
    scripts/postgis.sh start build/postgis
    ;;
*)
    printf 'serve: there is no engine “%s”: say spatialite or postgis\n' "$3" >&2
    exit 1
    ;;
esac
scripts/demo_data.sh "$folder" "${1:-}" "$database"
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
[ -z "$database" ] || eval "$(scripts/postgis.sh environment build/postgis "$database")"
printf 'Serving on http://127.0.0.1:%s (%s). Accounts camden.analyst, city.analyst, gla.analyst; password in %s.\n' \
    "$2" "${3:-spatialite}" "$folder/demo-password"
SAFESTATS_DATA_DIR=$folder SAFESTATS_PORT=$2 exec .venvs/server/bin/safestats serve
