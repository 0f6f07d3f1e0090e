#!/usr/bin/env bash
# Files up to 400 lines, functions up to 60, names unique in the tree, include guards.
. "$(dirname "$0")/rules.sh"

# Clang-formatted code opens and closes a function's body with a brace in column 1.
while IFS= read -r found; do
    breach "$found"
done < <(code_files include src tests | xargs -r awk '
    FNR == 1 { open = 0 }
    FNR == 401 { print FILENAME ":401: more than 400 lines" }
    /^\{$/ { open = FNR }
    /^\}$/ { if (open && FNR - open - 1 > 60) print FILENAME ":" open ": function of " FNR - open - 1 " lines, 60 are allowed"; open = 0 }
')

while IFS= read -r name; do
    breach "$name stands more than once: $(files "$name" | tr '\n' ' ')"
done < <(files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.py' | sed 's|.*/||' | sort | uniq -d)

while IFS= read -r header; do
    # a header that is compiled several times into one file says so at its top
    ! head -n 12 "$header" | grep -qiE 'no (include )?guard,? on purpose' || continue
    base=$(basename "$header" | sed 's/\.[a-z]*$//' | tr '[:lower:]' '[:upper:]')
    guard=$(grep -m 1 -oE '^#ifndef CRISOL_[A-Z0-9_]+_H$' "$header" | sed 's/#ifndef //' || true)
    if [ -z "$guard" ]; then
        breach "$header:1: no include guard CRISOL_…_H"
    elif [[ $guard != *"${base}_H" ]]; then
        breach "$header: include guard $guard does not end in ${base}_H"
    elif ! grep -qx "#define $guard" "$header"; then
        breach "$header: include guard $guard is never defined"
    fi
done < <(files '*.h' '*.cuh' -- include src tests)

while IFS= read -r guard; do
    breach "include guard $guard stands more than once"
done < <(files '*.h' '*.cuh' -- include src tests | xargs -r grep -hoE '^#ifndef CRISOL_[A-Z0-9_]+_H$' | sort | uniq -d)
finish "files, functions, names and include guards have their shape"
