#!/usr/bin/env bash
# Makes a server folder for the demonstration: database, accounts, agreements, incidents loaded and published.
#   scripts/demo_data.sh FOLDER [DATA [DATABASE]]
# DATA is a folder of real files; without it two seeded, labelled synthetic years are made, so that there is something to
# compare with; of hospitals' workbooks three months are loaded. What nothing public has (hospitals, ambulances, buses,
# treatment) is synthetic beside real files, too. DATABASE is one of the private cluster in build/postgis, which runs; without it the embedded one is made. A folder
# made from the same sources is left as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1
data=${2:-}
database=${3:-}
# Never a server that the environment names.
unset SAFESTATS_DATABASE_URL SAFESTATS_PUBLISHER_URL SAFESTATS_OWNER_URL
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

rm -rf "$folder" && mkdir -p -m 700 "$folder"
export SAFESTATS_DATA_DIR=$folder
if [ -n "$database" ]; then
    scripts/postgis.sh recreate build/postgis "$database"
    eval "$(scripts/postgis.sh environment build/postgis "$database")"
fi
safestats=.venvs/server/bin/safestats

say "making the server's folder $folder"
$safestats init
head -c 9 /dev/urandom | base64 | tr '+/' 'ab' > "$folder/demo-password"
chmod 600 "$folder/demo-password"
account() { $safestats user add "$1" --org "$2" --name "$3" --role "${4:-analyst}" --password-stdin < "$folder/demo-password"; }
$safestats org load
$safestats terms load
account camden.analyst camden "Camden analyst (demonstration)"
account camden.officer camden "Camden licensing officer (demonstration)" licensing-officer
account city.analyst city "City analyst (demonstration)"
account gla.analyst gla "GLA analyst (demonstration)"
account gla.admin gla "GLA system administrator (demonstration)" system-admin

sample=$folder/sample
$safestats sample-data "$sample"
$safestats sample-data "$sample/before" --year 2024 --seed 2
shopt -s nullglob
if [ -n "$data" ]; then
    $safestats load mps "$data"/police_met_wards_api/*.zip
    $safestats load colp "$data"/police_city_of_london/*.csv
    $safestats load btp "$data"/police_btp/*.csv
    $safestats load lfb "$data"/lfb/*-lfb-incidents.csv "$data/lfb/LFB Incident data.csv"
    $safestats load lfb_mobilisations "$data/lfb/LFB Mobilisation data.csv"
    $safestats load rnli "$data"/rnli/*-launches.csv
else
    for dataset in mps colp btp lfb lfb_mobilisations rnli; do
        $safestats load "$dataset" "$sample/before/$dataset"/* "$sample/$dataset"/*
    done
fi
for dataset in las tfl; do
    $safestats load "$dataset" "$sample/before/$dataset"/* "$sample/$dataset"/*
done
$safestats load ndtms "$sample"/ndtms/*
# Rates of synthetic incidents divide by synthetic residents. Those of real ones need real ones: DATA/denominators, if it is there.
if [ -n "$data" ]; then denominators=("$data"/denominators/*.csv); else denominators=("$sample"/denominators/*.csv); fi
for file in "${denominators[@]}"; do $safestats denominators load "$file"; done
# Three months of 28 hospitals, through the folder that is watched for suppliers' files.
for site in "$sample"/istv/*/; do
    mkdir -p "$folder/by-hand/istv/$(basename "$site")"
    cp "$site"*-1[012].* "$folder/by-hand/istv/$(basename "$site")"
done
$safestats watch "$folder/by-hand" --once --still-seconds 0 --done delete
rm -r "$folder/by-hand"

# draft REFERENCE ORGANISATION DATASET: what an agreement says beside its grants. The GLA is a controller beside others.
draft() {
    local party=()
    [ "$2" = gla ] || party=(--controller "Greater London Authority:independent")
    $safestats agreement add "$1" --org "$2" --dataset "$3" --from 2024-01-01 --to "${until:-2030-12-31}" \
        --basis "Public task: preventing crime and disorder, section 17 of the Crime and Disorder Act 1998." \
        --purposes needs-assessment,violence-reduction,licence-application,cumulative-impact,policy,service-planning \
        --contact "data-protection:Data protection officer (demonstration):dpo@$2.example" \
        --contact "operational:Community safety team (demonstration):safety@$2.example" \
        --review 2027-03-31 --onward "None; maps and figures as the conditions of use permit." "${party[@]}"
}
# in_force REFERENCE ORGANISATION: signed by every party, then activated.
in_force() {
    $safestats agreement sign "$1" --by "Director of community safety (demonstration)"
    [ "$2" = gla ] || $safestats agreement sign "$1" --by "Head of SafeStats (demonstration)" --party "Greater London Authority"
    $safestats agreement activate "$1"
}
# agreement REFERENCE ORGANISATION DATASET, then one grant's options
agreement() {
    local reference=$1 organisation=$2 dataset=$3
    shift 3
    draft "$reference" "$organisation" "$dataset"
    $safestats agreement grant "$reference" "$@"
    in_force "$reference" "$organisation"
}
everything=core,area,location,place
# Camden, as boroughs have it: its own records and an edge of 1 km, counts of the rest of London. No agreement for the
# fire brigade's incidents nor the lifeboats'.
for dataset in mps colp btp istv las tfl ndtms; do
    draft "DSA-CAMDEN-${dataset^^}" camden "$dataset"
    $safestats agreement profile "DSA-CAMDEN-${dataset^^}" borough
    in_force "DSA-CAMDEN-${dataset^^}" camden
done
# The City: its own police in full; around it the Met on a 250 m grid; rail crime by area only.
agreement DSA-CITY-COLP city colp --areas E09000001,unplaced --edge-km 1 --fields $everything --precision point
agreement DSA-CITY-MPS city mps --areas E09000001 --edge-km 1 --fields core,area,location --precision grid --grid-m 250
agreement DSA-CITY-BTP city btp --areas E09000001 --fields core,area --precision area
# Lifeboats near the City by area only.
agreement DSA-CITY-RNLI city rnli --areas E09000001 --edge-km 1 --fields core,area --precision area
# The GLA: all of London, what could not be placed and what lies outside.
for dataset in mps colp btp istv las lfb lfb_mobilisations rnli tfl ndtms; do
    reference=DSA-GLA-${dataset//_/-}
    draft "${reference^^}" gla "$dataset"
    $safestats agreement profile "${reference^^}" pan-london
    in_force "${reference^^}" gla
done
$safestats publish all
$safestats status
printf '%s' "$wanted" > "$folder/stamp"
