#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over the sources that a build folder compiles:
#   launch/tidy.sh BUILD [PATTERN]      PATTERN: only sources whose path matches it, as in src/config/
# One file a call: clang-tidy 14 reports va_lists as uninitialised when it is given several.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

build_folder=${1:?usage: launch/tidy.sh BUILD [PATTERN]}
pattern=${2:-src/}
if ! command -v clang-tidy >/dev/null; then
    printf 'skipped: no clang-tidy\n'
    exit 77
fi
cmake -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$build_folder" >/dev/null
mapfile -t sources < <(sed -nE 's/.*"file": "([^"]*\.c)".*/\1/p' "$build_folder/compile_commands.json" |
    grep -E "$pattern" | sort -u)
if [ ${#sources[@]} -eq 0 ]; then
    printf '%s compiles no source that matches %s\n' "$build_folder" "$pattern" >&2
    exit 64
fi

# A source that several programs are made from is read once, as the first of them compiles it.
database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
python3 - "$build_folder/compile_commands.json" "$database/compile_commands.json" <<'PYTHON'
import json, sys

once = {}
for entry in json.load(open(sys.argv[1])):
    once.setdefault(entry["file"], entry)
json.dump(list(once.values()), open(sys.argv[2], "w"))
PYTHON

tidy() {
    local hints=(--extra-arg-before=-include "--extra-arg-before=$source_folder/launch/tidy_hints.h"
        "--extra-arg-before=-I$source_folder/include")
    case $1 in */base/status.c) hints=() ;; esac # defines what the hints are about
    clang-tidy --quiet --config-file="$source_folder/.clang-tidy" -p "$database" "${hints[@]}" "$1" 2>/dev/null
}
export -f tidy
export source_folder database

# shellcheck disable=SC2016 # $0 is for the inner shell
if printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$cores" bash -c 'tidy "$0"'; then
    printf '%d files, nothing found\n' "${#sources[@]}"
else
    printf 'clang-tidy found something in the %d files that it read\n' "${#sources[@]}"
    exit 1
fi
