#!/usr/bin/env bash
# Serves the demonstration's data until Ctrl-C:  scripts/serve.sh DATA PORT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=build/demo-server
[ -n "${1:-}" ] && folder=build/demo-server-real
scripts/demo_data.sh "$folder" "${1:-}"
printf 'Serving on http://127.0.0.1:%s. Accounts camden.analyst, city.analyst, gla.analyst; password in %s.\n' "$2" "$folder/demo-password"
SAFESTATS_DATA_DIR=$folder SAFESTATS_PORT=$2 exec .venvs/server/bin/safestats serve
