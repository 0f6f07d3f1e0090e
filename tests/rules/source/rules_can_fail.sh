#!/usr/bin/env bash
# Each rule finds what it is there to find: a tree of breaches, one a rule, and the same tree without them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

expect() { # RULE CODE PATTERN
    local got=0
    CRISOL_SOURCE=$tree bash "$here/$1" >"$tree.log" 2>&1 || got=$?
    if [ "$got" != "$2" ] || ! grep -Eq -- "$3" "$tree.log"; then
        printf 'FAILED: %s gave %s instead of %s, or no line like: %s\n' "$1" "$got" "$2" "$3"
        cat "$tree.log"
        failures=1
    fi
    rm -f "$tree.log"
}

header() { # PATH GUARD TEXT
    printf '#ifndef %s\n#define %s\n%b#endif\n' "$2" "$2" "$3" >"$tree/$1"
}

fresh() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/include/crisol "$tree"/src/{base,net,cli,train,backend/cpu} "$tree"/tests
    header include/crisol/net.h CRISOL_NET_H '#include "crisol/status.h"\n\n#include <stdint.h>\n'
    header include/crisol/status.h CRISOL_STATUS_H ''
    printf '/* exit(1) in a comment */\n#include "crisol/net.h"\n\nconst char *text = "abort()";\n' >"$tree/src/net/shape.c"
    printf 'crisol_module(net LINK crisol_base)\n' >"$tree/src/net/CMakeLists.txt"
}

rules='rule_includes.sh rule_links.sh rule_words.sh rule_shape.sh'
fresh
for rule in $rules; do
    expect "$rule" 0 holds
done

fresh && printf '#include <mpi.h>\n' >>"$tree/src/net/shape.c"
expect rule_includes.sh 1 'src/net/shape.c:5: <mpi.h> belongs to src/comm src/reduce only'
fresh && printf '#include <oneapi/dnnl/dnnl.h>\n' >>"$tree/src/net/shape.c"
expect rule_includes.sh 1 'dnnl.h> belongs to'
fresh && header include/crisol/train.h CRISOL_TRAIN_H '' && printf '#include "crisol/train.h"\n' >>"$tree/src/net/shape.c"
expect rule_includes.sh 1 'net \(layer 1\) may not include crisol/train.h'
fresh && header include/crisol/net.h CRISOL_NET_H '#include <jansson.h>\n'
expect rule_includes.sh 1 'a public header may not include <jansson.h>'
fresh && header include/crisol/status.h CRISOL_STATUS_H '#include "crisol/net.h"\n'
expect rule_includes.sh 1 'base \(layer 0\) may not include'
fresh && header include/crisol/odd.h CRISOL_ODD_H ''
expect rule_includes.sh 1 'odd.h:1: has no line in'
fresh && header src/train/inner.h CRISOL_INNER_H '' && printf '#include "../train/inner.h"\n#include "inner.h"\n' >>"$tree/src/net/shape.c"
expect rule_includes.sh 1 '"inner.h" is not a private header'
fresh && printf '#include "shared.h"\n' >"$tree/src/backend/cpu/a.c" && header src/backend/shared.h CRISOL_SHARED_H ''
expect rule_includes.sh 0 holds

fresh && printf 'crisol_module(net LINK crisol_base\n  crisol_train)\n' >"$tree/src/net/CMakeLists.txt"
expect rule_links.sh 1 'net \(layer 1\) may not link crisol_train'
fresh && printf 'crisol_module(net LINK crisol::hdf5)\n' >"$tree/src/net/CMakeLists.txt"
expect rule_links.sh 1 'crisol::hdf5 belongs to pack only'

fresh && printf 'void f(void) { exit(1); }\n' >>"$tree/src/net/shape.c"
expect rule_words.sh 1 'src/net/shape.c:5:.*only src/cli ends the process'
fresh && printf '/* TO''DO later */\n' >>"$tree/src/net/shape.c"
expect rule_words.sh 1 'unfinished work'
fresh && printf 'const char *p = "/ho''me/me/data";\n' >>"$tree/src/net/shape.c"
expect rule_words.sh 1 'path of one machine'
fresh && printf '/* see iss''ue 12 */\n' >>"$tree/src/net/shape.c"
expect rule_words.sh 1 'tracker'

fresh && seq 401 | sed 's|.*|/* & */|' >"$tree/src/net/long.c"
expect rule_shape.sh 1 'long.c:401: more than 400 lines'
fresh && { printf 'void f(void)\n{\n'; seq 61 | sed 's|.*|    g();|'; printf '}\n'; } >"$tree/src/net/long.c"
expect rule_shape.sh 1 'long.c:2: function of 61 lines'
fresh && { printf 'void f(void)\n{\n'; seq 60 | sed 's|.*|    g();|'; printf '}\n'; } >"$tree/src/net/long.c"
expect rule_shape.sh 0 holds
fresh && cp "$tree/src/net/shape.c" "$tree/src/cli/"
expect rule_shape.sh 1 'shape.c stands more than once'
fresh && printf 'int x;\n' >"$tree/include/crisol/net.h"
expect rule_shape.sh 1 'no include guard'
fresh && header include/crisol/net.h CRISOL_GRAPH_H ''
expect rule_shape.sh 1 'does not end in NET_H'

[ "$failures" = 0 ] || exit 1
printf 'holds: each rule finds its breaches\n'
