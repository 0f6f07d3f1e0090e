# shellcheck shell=bash disable=SC2034
# Shared by the rule scripts: sourced, never run. A rule looks at the tree in CRISOL_SOURCE, prints each breach as
# file:line: what, and ends with finish.
set -euo pipefail

root=${CRISOL_SOURCE:?}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
breaches=0

breach() {
    printf '%s\n' "$*"
    breaches=$((breaches + 1))
}

finish() {
    if [ "$breaches" -gt 0 ]; then
        printf '%d breaches of: %s\n' "$breaches" "$1"
        exit 1
    fi
    printf 'holds: %s\n' "$1"
}

# files PATTERN… [-- FOLDER…]: files of these names below the folders, or in all that is ours.
files() {
    local patterns=() folders=() name
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        patterns+=(-o -name "$1")
        shift
    done
    [ $# -eq 0 ] || shift
    for name in "${@:-.}"; do
        [ ! -e "$name" ] || folders+=("$name")
    done
    [ ${#folders[@]} -gt 0 ] || return 0
    find "${folders[@]}" \( -name .git -o -path ./build -o -path ./runs -o -path ./packs \) -prune -o -type f \( "${patterns[@]:1}" \) -print |
        sed 's|^\./||' | sort
}

code_files() {
    files '*.c' '*.h' '*.cu' '*.cuh' -- "$@"
}

# code FILE: the file with comments and texts blanked, line by line.
code() {
    awk -f "$here/strip.awk" "$1"
}
