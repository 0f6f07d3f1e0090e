#!/usr/bin/env bash
# CMake's link lists may not point upwards, and a third-party library is linked only where its header may be included.
. "$(dirname "$0")/rules.sh"

layer_of() {
    awk -v name="$1" '!/^#/ && $1 == name { print $2 }' "$here/layers.txt"
}

declare -A places=([mpi]="comm reduce" [hdf5]=pack [csv]=pack [jpeg]="pack synth" [png]="pack synth" [yaml]=config
    [dnnl]=backend [xxhash]="base pack" [curl]=run [zip]=train [cuda]="backend reduce" [cudnn]=backend [nccl]="backend reduce")

while IFS= read -r list; do
    module=${list#src/}
    module=${module%%/*}
    layer=$(layer_of "$module")
    [ -n "$layer" ] || { breach "$list:1: module $module has no line in tests/rules/source/layers.txt"; continue; }
    # only what is linked: the arguments of crisol_module and target_link_libraries, which may take several lines
    targets=$(sed 's/#.*//' "$list" | tr '\n' ' ' | grep -oE '(crisol_module|target_link_libraries)[ ]*\([^)]*\)' |
        grep -oE 'crisol(_|::)[a-z0-9_]+' | sort -u || true)
    for target in $targets; do
        case $target in
            crisol_module | crisol_flags) ;;
            crisol::*)
                [[ " ${places[${target#crisol::}]:-$module} " == *" $module "* ]] ||
                    breach "$list: $target belongs to ${places[${target#crisol::}]} only"
                ;;
            *)
                name=${target#crisol_}
                other=$(layer_of "$name")
                [ -n "$other" ] || other=$(layer_of "${name%%_*}")
                if [ -z "$other" ]; then
                    breach "$list: $target is no module of tests/rules/source/layers.txt"
                elif [ "$other" -gt "$layer" ]; then
                    breach "$list: $module (layer $layer) may not link $target (layer $other)"
                fi
                ;;
        esac
    done
done < <(files CMakeLists.txt -- src)
finish "link lists point downwards"
