# To be read by scripts that drive a real QGIS without a screen; from the repository's root.
#   on_a_display SIZE    a profile of its own ($profile) with the plugin as it is in the working tree, and a virtual display;
#                        what QGIS runs there may import what lies in scripts/
# What is in ${processes[@]}, and the profile, go when the script ends.
profile=$(mktemp -d)
processes=()
finish() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$profile"
}
trap finish EXIT

on_a_display() {
    mkdir -p "$profile/profiles/default/python/plugins" "$profile/profiles/default/QGIS"
    ln -s "$PWD" "$profile/profiles/default/python/plugins/safestats"
    cat > "$profile/profiles/default/QGIS/QGIS3.ini" <<'INI'
[PythonPlugins]
safestats=true

[qgis]
checkVersion=false
showTips340=false
newsFeed\disabled=true

[app]
checkVersion=false
INI
    local display=:$(( 90 + RANDOM % 900 ))
    Xvfb "$display" -screen 0 "$1x24" -dpi 96 -nolisten tcp >/dev/null 2>&1 &
    processes+=($!)
    export DISPLAY=$display QT_QPA_PLATFORM=xcb PYTHONPATH=$PWD/scripts
    for _ in $(seq 50); do [ -S "/tmp/.X11-unix/X${display#:}" ] && break; sleep 0.1; done
    openbox >/dev/null 2>&1 &
    processes+=($!)
}
