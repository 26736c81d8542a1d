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
# The links in letters lead here.
address=http://127.0.0.1:$2
cat <<TOLD
Serving on $address (${3:-spatialite}) until Ctrl-C.
  QGIS         sign in as camden.analyst, city.analyst or gla.analyst
  a place      $address/check, as camden.officer (a licensing officer: counts only; try NW1 0JH) or camden.analyst
  the console  $address/console, as gla.admin (an authenticator app is set up at the first sign-in)
  password     of all of them, in $folder/demo-password
  safestats    .venvs/server/bin/safestats, in another terminal here, after:
    export SAFESTATS_DATA_DIR=$folder SAFESTATS_PUBLIC_ADDRESS=$address
TOLD
if [ -n "$database" ]; then
    printf '    eval "$(scripts/postgis.sh environment build/postgis %s)"\n' "$database"
    eval "$(scripts/postgis.sh environment build/postgis "$database")"
fi
SAFESTATS_DATA_DIR=$folder SAFESTATS_HOST=127.0.0.1 SAFESTATS_PORT=$2 SAFESTATS_PUBLIC_ADDRESS=$address \
    exec .venvs/server/bin/safestats serve
