#!/usr/bin/env bash
# A private PostgreSQL cluster with PostGIS: for trying out SafeStats on it, and for the tests. It listens on a Unix
# socket only and lets in nobody but the user who runs this (and root): no password is made or kept.
#   scripts/postgis.sh start|stop|status [FOLDER]        FOLDER is build/postgis unless told
#   scripts/postgis.sh environment [FOLDER [DATABASE]]   the settings of a server on it, for eval
#   scripts/postgis.sh recreate FOLDER DATABASE          drop the database and all in it, and make it anew, empty
#   scripts/postgis.sh throwaway                         one for tests: prints its socket's folder, goes with its stdin
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { printf 'postgis: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

BIN=
for candidate in /usr/lib/postgresql/*/bin; do [ -x "$candidate/initdb" ] && BIN=$candidate; done
[ -n "$BIN" ] || stop "PostgreSQL is not installed: run make setup."
DATABASE=safestats
# Owner, publisher, application: what each may do is decided by “safestats init”.
ROLES=(safestats_owner safestats_publisher safestats_app)

# PostgreSQL refuses to run as root: then it runs as the user that Debian made for it.
me=$(id -un)
server_user=$me
as_server=()
if [ "$(id -u)" -eq 0 ]; then
    server_user=postgres
    id "$server_user" >/dev/null 2>&1 || stop "There is no user postgres to run the cluster as: run make setup, or run this as another user than root."
    as_server=(runuser -u "$server_user" --)
fi
ask() { "${as_server[@]}" "$BIN/psql" -h "$data" -U "$server_user" -d "$1" -qAtX -v ON_ERROR_STOP=1 "${@:2}"; }

# The cluster's real folder: FOLDER itself where the server's user can work in it, else one of its own, with a link.
place() {
    local folder=$1
    if [ -L "$folder" ]; then readlink -f "$folder"; return; fi
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    if [ "$server_user" = "$me" ]; then chmod 700 "$folder"; printf '%s\n' "$folder"; return; fi
    # A socket's path has 107 characters at most.
    if [ ${#folder} -lt 80 ] && chown "$server_user" "$folder" && chmod 700 "$folder" && "${as_server[@]}" test -w "$folder"; then
        printf '%s\n' "$folder"
        return
    fi
    local own
    own=/var/lib/postgresql/safestats-$(printf '%s' "$folder" | sha256sum | cut -c1-12)
    mkdir -p "$own" && chown "$server_user" "$own" && chmod 700 "$own"
    rmdir "$folder" && ln -s "$own" "$folder"
    say "$folder is a link to $own, where the user $server_user can work"
    printf '%s\n' "$own"
}

# make_cluster LOG-SAFE-OPTIONS…
make_cluster() {
    say "making the cluster in $data (user $server_user, $("$BIN/postgres" --version))"
    "${as_server[@]}" "$BIN/initdb" -D "$data" --encoding=UTF8 --locale=C.UTF-8 --auth=reject "$@" > "$log" 2>&1 ||
        { cat "$log" >&2; stop "The cluster could not be made (see above)."; }
    {
        printf "listen_addresses = ''\nunix_socket_directories = '%s'\nunix_socket_permissions = 0700\n" "$data"
        printf "shared_buffers = 256MB\nmax_connections = 100\ntimezone = 'UTC'\n"
    } | "${as_server[@]}" tee -a "$data/postgresql.conf" >/dev/null
    # Who is at the other end of the socket, the kernel says.
    printf 'local all all peer map=safestats\n' | "${as_server[@]}" tee "$data/pg_hba.conf" >/dev/null
    for system in "$server_user" "$me"; do
        for role in "$server_user" "${ROLES[@]}"; do printf 'safestats %s %s\n' "$system" "$role"; done
    done | sort -u | "${as_server[@]}" tee "$data/pg_ident.conf" >/dev/null
}

running() { "${as_server[@]}" "$BIN/pg_ctl" -D "$data" status >/dev/null 2>&1; }

run_cluster() {
    "${as_server[@]}" "$BIN/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 "$@" start >/dev/null ||
        { "${as_server[@]}" tail -n 20 "$data/server.log" >&2; stop "The cluster in $data does not start (see above)."; }
}

make_roles() {
    local role
    for role in "${ROLES[@]}"; do
        [ -n "$(ask postgres -c "SELECT 1 FROM pg_roles WHERE rolname = '$role'")" ] || ask postgres -c "CREATE ROLE $role LOGIN"
    done
}

make_database() {
    [ -z "$(ask postgres -c "SELECT 1 FROM pg_database WHERE datname = '$1'")" ] || return 0
    ask postgres -c "CREATE DATABASE $1 OWNER ${ROLES[0]}"
    ask "$1" -c "CREATE EXTENSION postgis" -c "ALTER SCHEMA public OWNER TO ${ROLES[0]}"
}

url() { printf 'postgresql+psycopg://%s@/%s?host=%s\n' "$1" "$database" "$data"; }

command=${1:-status}
case $command in
start)
    data=$(place "${2:-build/postgis}")
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    [ -f "$data/PG_VERSION" ] || make_cluster
    if running; then say "the cluster in $data runs already"; else run_cluster; say "the cluster in $data runs (scripts/postgis.sh stop ends it)"; fi
    make_roles
    make_database "$DATABASE"
    ;;
stop)
    data=$(place "${2:-build/postgis}")
    if running; then
        "${as_server[@]}" "$BIN/pg_ctl" -D "$data" -m fast -w stop >/dev/null
        say "the cluster in $data has stopped"
    else
        say "the cluster in $data does not run"
    fi
    ;;
status)
    data=$(place "${2:-build/postgis}")
    if running; then say "the cluster in $data runs"; else say "the cluster in $data does not run: scripts/postgis.sh start"; exit 3; fi
    ;;
recreate)
    data=$(place "$2")
    running || stop "the cluster in $data does not run: scripts/postgis.sh start $2"
    ask postgres -c "DROP DATABASE IF EXISTS $3 WITH (FORCE)"
    make_database "$3"
    ;;
environment)
    data=$(place "${2:-build/postgis}")
    database=${3:-$DATABASE}
    printf "export SAFESTATS_OWNER_URL='%s'\n" "$(url "${ROLES[0]}")"
    printf "export SAFESTATS_PUBLISHER_URL='%s'\n" "$(url "${ROLES[1]}")"
    printf "export SAFESTATS_DATABASE_URL='%s'\n" "$(url "${ROLES[2]}")"
    ;;
throwaway)
    # Thousands of databases come and go: in memory, where there are 4 GB of it to spare for files.
    home=/tmp
    [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 4000000 ] 2>/dev/null && home=/dev/shm
    data=$(mktemp -d "$home/safestats-postgis-XXXXXX")
    [ "$server_user" = "$me" ] || chown "$server_user" "$data"
    log=$(mktemp)
    # Whatever ends this ends the cluster, and nothing of it stays.
    finish() {
        "${as_server[@]}" "$BIN/pg_ctl" -D "$data" -m immediate -w stop >/dev/null 2>&1 || true
        rm -rf "$data" "$log"
    }
    trap finish EXIT
    trap 'exit 1' INT TERM HUP
    make_cluster --no-sync
    printf "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\nmax_wal_size = 512MB\n" |
        "${as_server[@]}" tee -a "$data/postgresql.conf" >/dev/null
    run_cluster
    make_roles
    make_database "$DATABASE"
    # Each database is copied from this: of the coordinate systems it keeps those that are in use.
    ask "$DATABASE" -c "DELETE FROM spatial_ref_sys WHERE srid NOT IN (4326, 27700)" -c "VACUUM FULL spatial_ref_sys"
    ask postgres -c "ALTER ROLE ${ROLES[0]} CREATEDB" -c "GRANT pg_signal_backend TO ${ROLES[0]}"
    printf '%s\n' "$data"
    cat >/dev/null
    ;;
*)
    stop "say start, stop, status, environment, recreate or throwaway"
    ;;
esac
