#!/usr/bin/env bash
# Makes a server folder for the demonstration: database, accounts, agreements, incidents loaded and published.
#   scripts/demo_data.sh FOLDER [DATA]
# DATA is a folder of real files; without it a seeded, labelled synthetic year is made. A folder made from the
# same sources is left as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1
data=${2:-}
say() { printf 'demonstration: %s\n' "$*"; }
stop() { printf 'demonstration: %s\n' "$*" >&2; exit 1; }

stamp() {
    find sync_server shared resources scripts/demo_data.sh -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    if [ -n "$data" ]; then find "$data" -type f -printf '%P %s\n' | LC_ALL=C sort; fi
}
wanted=$(stamp | sha256sum)
if [ -f "$folder/stamp" ] && [ "$(cat "$folder/stamp")" = "$wanted" ]; then
    say "the data of $folder are up to date"
    exit 0
fi
if [ -n "$data" ] && ! [ -d "$data/police_met_wards_api" ]; then
    stop "$data holds no folder police_met_wards_api: name the folder that holds the real files."
fi

rm -rf "$folder" && mkdir -p "$folder"
export SAFESTATS_DATA_DIR=$folder
safestats=.venvs/server/bin/safestats

say "making the server's folder $folder"
$safestats init
head -c 9 /dev/urandom | base64 | tr '+/' 'ab' > "$folder/demo-password"
chmod 600 "$folder/demo-password"
account() { $safestats user add "$1" --org "$2" --name "$3" --role analyst --password-stdin < "$folder/demo-password"; }
$safestats org add camden "London Borough of Camden"
$safestats org add city "City of London Corporation"
$safestats org add gla "Greater London Authority"
account camden.analyst camden "Camden analyst (demonstration)"
account city.analyst city "City analyst (demonstration)"
account gla.analyst gla "GLA analyst (demonstration)"

if [ -n "$data" ]; then
    shopt -s nullglob
    $safestats load mps "$data"/police_met_wards_api/*.zip
    $safestats load colp "$data"/police_city_of_london/*.csv
    $safestats load btp "$data"/police_btp/*.csv
    $safestats load lfb "$data"/lfb/*-lfb-incidents.csv "$data/lfb/LFB Incident data.csv"
    $safestats load rnli "$data"/rnli/*-launches.csv
else
    $safestats sample-data "$folder/sample"
    $safestats load mps "$folder"/sample/mps/*
    $safestats load colp "$folder"/sample/colp/*
    $safestats load btp "$folder"/sample/btp/*
    $safestats load lfb "$folder"/sample/lfb/*
    $safestats load rnli "$folder"/sample/rnli/*
fi

# agreement REFERENCE ORGANISATION DATASET, then one grant's options
agreement() {
    local reference=$1 organisation=$2 dataset=$3
    shift 3
    $safestats agreement add "$reference" --org "$organisation" --dataset "$dataset" --from 2024-01-01 --to "${until:-2030-12-31}"
    $safestats agreement grant "$reference" "$@"
    $safestats agreement activate "$reference"
}
everything=core,area,location,place
# Camden: its own records and an edge of 1 km; no agreement for the fire brigade's incidents nor the lifeboats'.
for dataset in mps colp btp; do
    agreement "DSA-CAMDEN-${dataset^^}" camden "$dataset" --areas E09000007 --edge-km 1 --fields $everything --precision point
done
# The City: its own police in full; around it the Met on a 250 m grid; rail crime by area only.
agreement DSA-CITY-COLP city colp --areas E09000001,unplaced --edge-km 1 --fields $everything --precision point
agreement DSA-CITY-MPS city mps --areas E09000001 --edge-km 1 --fields core,area,location --precision grid --grid-m 250
agreement DSA-CITY-BTP city btp --areas E09000001 --fields core,area --precision area
# Lifeboats near the City by area only.
agreement DSA-CITY-RNLI city rnli --areas E09000001 --edge-km 1 --fields core,area --precision area
# The GLA: all of London, what could not be placed and what lies outside.
for dataset in mps colp btp lfb rnli; do
    agreement "DSA-GLA-${dataset^^}" gla "$dataset" --areas london,unplaced,outside --fields $everything --precision point
done
$safestats publish all
$safestats status
printf '%s' "$wanted" > "$folder/stamp"
