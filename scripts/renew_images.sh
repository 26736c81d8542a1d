#!/usr/bin/env bash
# Copies pictures to docs/images/, shrunk: at most 1400 px wide, 256 colours or fewer, under 300 kB each (those of windows
# under 120 kB). The same pictures give the same bytes.
#   scripts/renew_images.sh            of the demonstration (build/demo/, made by `make run` without a display)
#   scripts/renew_images.sh analyses   of the analyses (build/analyses/, made by scripts/analysis_pictures.sh)
#   scripts/renew_images.sh windows    of every dock and dialog (build/windows/, made by scripts/walk_windows.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
images=docs/images
widest=1400
most_bytes=300000
stop() { printf 'images: %s\n' "$*" >&2; exit 1; }

# What the guides show: name in docs/images, file in the folder of pictures; the log's last word; what makes them.
case ${1:-demo} in
demo)
    from=build/demo log=job.log makes='make run'
    pictures=(
        "sign-in screenshots/sign-in.png"
        "conditions screenshots/conditions.png"
        "layers screenshots/layers.png"
        "around-a-place screenshots/proximity.png"
        "hotspots-density screenshots/hotspots-kde-raster.png"
        "hotspots-gi-star screenshots/hotspots-gi-grid.png"
        "page-density hotspot-map-kde-raster-a4.png"
        "page-gi-star hotspot-map-gi-grid-a4.png"
        "page-proximity proximity-report-a4.png"
    )
    ;;
analyses)
    from=build/analyses log=analyses.log makes=scripts/analysis_pictures.sh
    pictures=(
        "analysis-repeat-locations repeat-locations.png"
        "analysis-hot-routes hot-routes.png"
        "analysis-near-repeat near-repeat.png"
        "analysis-back-test back-test.png"
        "analysis-emerging-hot-spots emerging-hot-spots.png"
    )
    ;;
windows)
    from=build/windows log=1/walk.log makes=scripts/walk_windows.sh widest=1200 most_bytes=120000
    grep -qs '^done' "$from/1.5/walk.log" || stop "$from/1.5 holds no finished pictures: run \`$makes\` first."
    rm -rf "$images/windows"
    mkdir -p "$images/windows"
    pictures=()
    for file in "$from"/1/*.png; do pictures+=("windows/$(basename "$file" .png)-100 1/$(basename "$file")"); done
    for file in "$from"/1.5/*.png; do pictures+=("windows/$(basename "$file" .png)-150 1.5/$(basename "$file")"); done
    ;;
*) stop "$1 is none of demo, analyses and windows." ;;
esac

grep -qs '^done' "$from/$log" || stop "$from holds no finished pictures: run \`$makes\` on a machine without a display first."
for picture in "${pictures[@]}"; do
    [ -f "$from/${picture#* }" ] || stop "$from/${picture#* } is missing: run \`$makes\` again."
done

mkdir -p "$images"
for picture in "${pictures[@]}"; do
    name=${picture%% *} file=$from/${picture#* }
    for colours in 256 128 64 32 16; do
        convert "$file" -resize "${widest}x>" -strip +dither -colors "$colours" \
            -define png:compression-level=9 -define png:exclude-chunks=date,time "PNG8:$images/$name.png"
        [ "$(stat -c %s "$images/$name.png")" -lt "$most_bytes" ] && break
    done
    [ "$(stat -c %s "$images/$name.png")" -lt "$most_bytes" ] || stop "$name.png stays over $most_bytes bytes."
    printf 'images: %s/%s.png (%s)\n' "$images" "$name" "$(identify -format '%wx%h, %b' "$images/$name.png")"
done
