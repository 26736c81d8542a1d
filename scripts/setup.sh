#!/usr/bin/env bash
# Sets up everything that SafeStats needs on Debian 12: system packages, the server's, the desk's and the checks' environments.
# Idempotent: what is there already is left alone. Says what it does; stops with one sentence where it cannot.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
ENVS=$ROOT/.venvs
PYTHON=/usr/bin/python3

say() { printf 'set-up: %s\n' "$*"; }
stop() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------- what kind of machine this is
[ -r /etc/os-release ] || stop "This script sets up Debian 12; this machine does not say what it is. See docs/developer.md for what to install by hand."
# shellcheck disable=SC1091
. /etc/os-release
if [ "${ID:-}" != debian ] || [ "${VERSION_ID:-}" != 12 ]; then
    stop "This script sets up Debian 12, and this is ${PRETTY_NAME:-another system}. See docs/developer.md for what to install by hand."
fi

# ---------------------------------------------------------------- system packages
PACKAGES=(
    make git curl ca-certificates python3-venv libsqlite3-mod-spatialite
    postgresql-15 postgresql-15-postgis-3 chromium libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
    xvfb openbox xauth imagemagick poppler-utils zip unzip qttools5-dev-tools
    fonts-open-sans fonts-noto-core fonts-liberation2
)
# For the tests that let system calls fail (tests/end_to_end/faults.c), which `make test` leaves out without a compiler.
[ "${1:-}" = with-compiler ] && PACKAGES+=(gcc libc6-dev)
BACKPORTS=(qgis python3-qgis)

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing=() missing_backports=()
for package in "${PACKAGES[@]}"; do installed "$package" || missing+=("$package"); done
for package in "${BACKPORTS[@]}"; do installed "$package" || missing_backports+=("$package"); done
# An older QGIS from Debian 12 itself (3.22) is not enough.
if [ ${#missing_backports[@]} -eq 0 ] && dpkg --compare-versions "$(dpkg-query -W -f '${Version}' qgis)" lt 3.40; then
    missing_backports=("${BACKPORTS[@]}")
fi

if [ ${#missing[@]} -gt 0 ] || [ ${#missing_backports[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null; then
        as_root=(sudo)
    else
        stop "These packages are missing and there is neither root nor sudo to install them: ${missing[*]} ${missing_backports[*]}. Ask an administrator to install them, then run this again."
    fi
    mkdir -p "$ENVS"
    apt() {
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" > "$ENVS/apt.log" 2>&1 ||
            { tail -n 20 "$ENVS/apt.log" >&2; return 1; }
    }
    say "refreshing the package lists"
    apt update || stop "The package lists could not be refreshed: is there a network? Nothing was changed; run this again when there is."
    # The machine's own mirror and keyring are used for backports, whichever those are.
    if ! apt-cache policy | grep bookworm-backports >/dev/null && [ ${#missing_backports[@]} -gt 0 ]; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Codename: bookworm' | head -n 1)
        [ -n "$mirror" ] || stop "No Debian mirror is configured in /etc/apt. Add one, then run this again."
        say "adding bookworm-backports (for QGIS LTR) to the package sources"
        printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
            "${mirror%/}" | "${as_root[@]}" tee /etc/apt/sources.list.d/bookworm-backports.sources >/dev/null
        apt update || stop "The package lists of bookworm-backports could not be read from $mirror: use a mirror that has them."
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        apt install --no-install-recommends "${missing[@]}" || stop "Debian's packages could not be installed (see above). Mend that, then run this again."
    fi
    if [ ${#missing_backports[@]} -gt 0 ]; then
        say "installing QGIS LTR from bookworm-backports"
        apt install --no-install-recommends -t bookworm-backports "${missing_backports[@]}" || stop "QGIS could not be installed from bookworm-backports (see above). Mend that, then run this again."
    fi
fi

CHECK='
import sqlite3
connection = sqlite3.connect(":memory:")
connection.enable_load_extension(True)
connection.load_extension("mod_spatialite")
'
"$PYTHON" -c "$CHECK" || stop "Debian's own Python cannot load SQLite extensions here, which the embedded database needs. Reinstall python3 and libsqlite3-mod-spatialite from Debian 12."

# ---------------------------------------------------------------- the environments
mkdir -p "$ENVS/path"
# The repository root is the package `safestats`: a link of that name makes it importable whatever the checkout is called.
ln -sfn ../.. "$ENVS/path/safestats"

PINS='
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))
tables = project["project"]["optional-dependencies"] | project["dependency-groups"]
for name in sys.argv[1:]:
    print("\n".join(tables[name]))
'

# environment NAME VENV-OPTIONS -- GROUPS… makes .venvs/NAME, or leaves it alone when its pins are unchanged.
environment() {
    local name=$1 options=() folder=$ENVS/$1 wanted
    shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    wanted=$("$PYTHON" -c "$PINS" "$@"; printf '%s\n' "${options[@]}" "$("$PYTHON" --version)" "$ROOT")
    if [ -x "$folder/bin/python" ] && [ -f "$folder/pins" ] && [ "$(cat "$folder/pins")" = "$wanted" ]; then return; fi
    say "making the environment .venvs/$name"
    rm -rf "$folder"
    "$PYTHON" -m venv "${options[@]}" "$folder"
    "$PYTHON" -c "$PINS" "$@" > "$folder/requirements.txt"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/requirements.txt" 2> "$folder/pip.log" ||
        { cat "$folder/pip.log" >&2; stop "The Python packages of .venvs/$name could not be installed: is there a network? Run this again when there is."; }
    printf '%s\n' "$ENVS/path" > "$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/safestats.pth"
    printf '%s\n' "$wanted" > "$folder/pins"
}

# The server's takes as long as the others together.
environment server -- server test-server lint bench &
servers=$!
environment desk --system-site-packages -- test-desk
environment checks -- checks
wait "$servers"

# The command `safestats`, in the server's environment.
printf '#!%s\nfrom safestats.sync_server.cli import main\nmain()\n' "$ENVS/server/bin/python" > "$ENVS/server/bin/safestats"
chmod +x "$ENVS/server/bin/safestats"
say "ready"
