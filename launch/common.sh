# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: sourced, never run. Leaves in `source_folder` the checkout, in `cores` how many
# processors this process may use.
set -euo pipefail

source_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cores=$(nproc)

# Open MPI refuses to run as root unless told twice; in a container there is often no one else.
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say() {
    printf '\n== %s\n' "$*"
}

# build PRESET FOLDER [CMAKE-OPTION…]: configures build/FOLDER quietly and builds it on all cores.
build() {
    local preset=$1 folder=$source_folder/build/$2
    shift 2
    mkdir -p "$folder"
    if ! (cd "$source_folder" && cmake --preset "$preset" -B "$folder" "$@") >"$folder/configure.log" 2>&1; then
        cat "$folder/configure.log"
        printf 'configuring failed; %s has the text above\n' "$folder/configure.log" >&2
        return 1
    fi
    cmake --build "$folder" --parallel "$cores"
}
