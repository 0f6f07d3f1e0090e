#!/usr/bin/env bash
# Who may include whom: third-party headers in their one place, modules only downwards, public headers free of both.
. "$(dirname "$0")/rules.sh"

standard=' assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype '

# module_of_header NAME: "module layer" of include/crisol/NAME.h, empty when no one owns it.
module_of_header() {
    awk -v name="$1" '!/^#/ { for (i = 3; i <= NF; i++) if ($i == name) print $1, $2 }' "$here/layers.txt"
}

layer_of_module() {
    awk -v name="$1" '!/^#/ && $1 == name { print $2 }' "$here/layers.txt"
}

check_third_party() { # FILE LINE HEADER
    local pattern folders folder
    while IFS=: read -r pattern folders; do
        pattern=${pattern% }
        [[ $pattern != \#* ]] || continue
        [[ $3 =~ ^$pattern$ ]] || continue
        for folder in $folders; do
            [[ $1 != "$folder"/* ]] || return 0
        done
        breach "$1:$2: <$3> belongs to$folders only"
    done <"$here/third_party.txt"
}

check_public() { # FILE LINE HEADER: include/crisol takes the C library and its own kind
    local name=${3%.h}
    [[ $3 == crisol/* || $standard == *" $name "* ]] || breach "$1:$2: a public header may not include <$3>"
}

check_layer() { # FILE LINE HEADER LAYER MODULE
    local owner layer name=${3#crisol/}
    read -r owner layer <<<"$(module_of_header "${name%.h}")" || true
    if [ -z "$owner" ]; then
        breach "$1:$2: $3 has no line in tests/rules/source/layers.txt"
    elif [ "$layer" -gt "$4" ]; then
        breach "$1:$2: $5 (layer $4) may not include $3 of $owner (layer $layer)"
    fi
}

check_private() { # FILE LINE HEADER: beside the code, or in the module's folder above it
    local folder
    folder=$(dirname "$1")
    [ -e "$folder/$3" ] || [[ $folder == src/*/* && -e $(dirname "$folder")/$3 ]] || [ "$3" = crisol_version.h ] ||
        breach "$1:$2: \"$3\" is not a private header of this folder"
}

while IFS= read -r file; do
    if [[ $file == include/* ]]; then
        name=$(basename "$file" .h)
        read -r module layer <<<"$(module_of_header "$name")" || true
        [ -n "$module" ] || { breach "$file:1: has no line in tests/rules/source/layers.txt"; continue; }
    else
        module=${file#src/}
        module=${module%%/*}
        layer=$(layer_of_module "$module")
        [ -n "$layer" ] || { breach "$file:1: module $module has no line in tests/rules/source/layers.txt"; continue; }
    fi
    while IFS=: read -r line text; do
        header=$(sed -E 's/.*include[ \t]*[<"]([^>"]*)[>"].*/\1/' <<<"$text")
        check_third_party "$file" "$line" "$header"
        [[ $file != include/* ]] || check_public "$file" "$line" "$header"
        if [[ $header == crisol/* ]]; then
            check_layer "$file" "$line" "$header" "$layer" "$module"
        elif [[ $text == *\"* ]]; then
            check_private "$file" "$line" "$header"
        fi
    done < <(code "$file" | grep -nE '^[ \t]*#[ \t]*include' || true)
done < <(code_files src include)
finish "modules include downwards, third-party headers stay in their place"
