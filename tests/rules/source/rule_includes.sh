#!/usr/bin/env bash
# Who may include whom: third-party headers in their one place, modules only downwards, public headers free of both.
. "$(dirname "$0")/rules.sh"

standard=' assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype '

declare -A layer_of_module module_of_header # the latter by the name of include/crisol/NAME.h
while read -r module layer headers; do
    [[ $module != \#* ]] || continue
    layer_of_module[$module]=$layer
    for name in $headers; do
        module_of_header[$name]=$module
    done
done <"$here/layers.txt"

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
    local owner name=${3#crisol/}
    owner=${module_of_header[${name%.h}]:-}
    if [ -z "$owner" ]; then
        breach "$1:$2: $3 has no line in tests/rules/source/layers.txt"
    elif [ "${layer_of_module[$owner]}" -gt "$4" ]; then
        breach "$1:$2: $5 (layer $4) may not include $3 of $owner (layer ${layer_of_module[$owner]})"
    fi
}

check_private() { # FILE LINE HEADER: beside the code, or in the module's folder above it
    local folder=${1%/*}
    [ -e "$folder/$3" ] || [[ $folder == src/*/* && -e ${folder%/*}/$3 ]] || [ "$3" = crisol_version.h ] ||
        breach "$1:$2: \"$3\" is not a private header of this folder"
}

while IFS= read -r file; do
    if [[ $file == include/* ]]; then
        name=${file##*/}
        module=${module_of_header[${name%.h}]:-}
        [ -n "$module" ] || { breach "$file:1: has no line in tests/rules/source/layers.txt"; continue; }
    else
        module=${file#src/}
        module=${module%%/*}
        [ -n "${layer_of_module[$module]:-}" ] ||
            { breach "$file:1: module $module has no line in tests/rules/source/layers.txt"; continue; }
    fi
    layer=${layer_of_module[$module]}
    while IFS=: read -r line text; do
        header=${text#*include*[<\"]}
        header=${header%%[>\"]*}
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
