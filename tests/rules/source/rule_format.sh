#!/usr/bin/env bash
# Code is as clang-format leaves it. Other major versions format a few things differently, so only one judges.
. "$(dirname "$0")/rules.sh"

judge=14
formatter=$(command -v "clang-format-$judge" || command -v clang-format || true)
if [ -z "$formatter" ]; then
    printf 'skipped: no clang-format\n'
    exit 77
fi
if ! "$formatter" --version | grep -q "version $judge\\."; then
    printf 'skipped: %s, only version %s judges\n' "$("$formatter" --version)" "$judge"
    exit 77
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code_files include src tests | xargs -r -n 16 -P 2 "$formatter" --dry-run -Werror 2>>"$log" || true
while IFS= read -r found; do
    breach "$found"
done < <(grep -E ': error:' "$log" | sed 's/ \[-W.*//' | sort -u || true)
finish "clang-format leaves the code as it is"
