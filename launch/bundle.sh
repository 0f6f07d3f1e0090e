#!/usr/bin/env bash
# Collects crisol and what it needs into a folder that runs on a machine where nothing can be installed:
#   launch/bundle.sh --output FOLDER [OPTION …] [PROGRAM …]
#   there: . FOLDER/env.sh && crisol --version && mpirun -n 2 crisol train …
#
#   --output FOLDER    made anew; refused when it is there and is no bundle
#   --crisol BINARY    default: build/release/crisol
#   --limit MB         largest size, in millions of bytes (default: 60)
#   --archive FILE     the folder once more as a .tar.gz, about a third of it
#   PROGRAM …          further programs of the build that shall travel, tests for example; a PROGRAM that is no ELF file
#                      goes in as it is
#
# Inside: the programs, Open MPI's launcher with its plugins, and every shared library but glibc's (the other machine must
# have the same one or a newer one), the driver's and the CUDA toolkit's.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//p}' "$0"
}

# stop CODE TEXT
stop() {
    printf 'bundle.sh: %s\n' "$2" >&2
    exit "$1"
}

output='' crisol=$source_folder/build/release/crisol limit=60 archive=''
programs=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --output | --crisol | --limit | --archive)
            [ $# -ge 2 ] || stop 64 "$1 needs a value"
            case $1 in
                --output) output=$2 ;;
                --crisol) crisol=$2 ;;
                --limit) limit=$2 ;;
                --archive) archive=$2 ;;
            esac
            shift
            ;;
        -*) stop 64 "there is no option $1; --help tells more" ;;
        *) programs+=("$1") ;;
    esac
    shift
done
[ -n "$output" ] || stop 64 '--output FOLDER is needed'
[[ $limit =~ ^[1-9][0-9]{0,5}$ ]] || stop 64 "--limit takes a number, not '$limit'"
for program in "$crisol" "${programs[@]}"; do
    [ -f "$program" ] || stop 66 "$program is not there; build it first"
done
for tool in patchelf strip objdump nm ldd cc mpirun orted ompi_info; do
    command -v "$tool" >/dev/null || stop 66 "$tool is missing; launch/deps.sh --tests installs it"
done
if [ -e "$output" ] && [ ! -e "$output/env.sh" ]; then
    stop 64 "$output is there and is no bundle"
fi
rm -rf "$output"
mkdir -p "$output"/{bin,lib/openmpi,lib/pmix,lib/hwloc,share,etc}
output=$(cd "$output" && pwd)

# glibc's own parts belong to the machine's loader; the CUDA libraries to its driver and toolkit.
is_of_the_machine() {
    case $1 in
        ld-linux* | linux-vdso* | libc.so.* | libm.so.* | libmvec.so.* | libpthread.so.* | libdl.so.* | librt.so.* | \
            libresolv.so.* | libutil.so.* | libnsl.so.* | libanl.so.* | libnss_* | libthread_db.so.*) return 0 ;;
        libcuda.so* | libcudart.so* | libcudnn* | libcublas* | libnccl.so* | libnvrtc* | libnvJitLink* | libnvidia-*) return 0 ;;
    esac
    return 1
}

# What HDF5 and libzip ask for and training never calls: files in S3 and encrypted archives. With what they stand on they are 17 MB,
# so the bundle has stand_ins: libraries of these names whose every call fails.
is_stand_in() {
    case $1 in
        libcurl.so.* | libcrypto.so.*) return 0 ;;
    esac
    return 1
}

needed() { # FILE → the names of the libraries it asks for
    objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}

is_elf() {
    [ "$(head -c 4 "$1" | tr -d '\0')" = $'\x7fELF' ]
}

# take FILE FOLDER: copies it, as its own name
take() {
    cp -L "$1" "$output/$2/"
}

take "$crisol" bin
for program in "${programs[@]}"; do
    take "$program" bin
done
# mpirun starts the ranks of its own machine itself; orted is for others and for a rank that starts without mpirun.
take "$(command -v mpirun)" bin
take "$(command -v orted)" bin

# Open MPI's plugins, without those for what Crisol does not use (files, SHMEM, windows, process topologies, sums of floats), those
# that need a network's own library, and those of other launchers: with the one for ssh, mpirun does not start where there is no ssh.
where() { # NAME of a folder in ompi_info's list → path
    ompi_info --parsable --path "$1" | sed -n 's/^path:[^:]*://p'
}
plugins=$(where pkglibdir)
[ -e "$plugins/mca_pml_ob1.so" ] || stop 66 "Open MPI's plugins are not in ${plugins:-any folder that ompi_info names}"
for plugin in "$plugins"/mca_*.so; do
    case $(needed "$plugin" | tr '\n' ' ') in
        *libfabric* | *libucp* | *libucs* | *libpsm* | *libibverbs* | *libnl-3* | *liboshmem* | *libmca_common_ompio* | \
            *libmca_common_monitoring*) continue ;;
    esac
    case ${plugin##*/} in
        mca_io_* | mca_fs_* | mca_sharedfp_* | mca_scoll_* | mca_spml_* | mca_osc_rdma.so | mca_osc_pt2pt.so | mca_pml_cm.so | \
            mca_topo_treematch.so | mca_vprotocol_* | mca_crs_* | mca_op_avx.so | mca_coll_han.so | mca_coll_adapt.so | \
            mca_rmaps_rank_file.so | mca_rmaps_seq.so | mca_rmaps_resilient.so | mca_rmaps_mindist.so | mca_plm_rsh.so | \
            mca_*_slurm.so | mca_*_flux.so | mca_*_jsm.so | mca_*_simulator.so | mca_*_gridengine.so) continue ;;
    esac
    take "$plugin" lib/openmpi
done
cp -rL "$(where pkgdatadir)" "$output/share/openmpi"
rm -rf "$output/share/openmpi"/{amca-param-sets,*valgrind*,*wrapper-data*}
cat >"$output/etc/openmpi-mca-params.conf" <<'TEXT'
# A rank's workers are its own affair, and one machine may have fewer cores than a test has ranks.
hwloc_base_binding_policy = none
rmaps_base_oversubscribe = 1
TEXT

# libraries FILE: paths of what it needs, all the way down
declare -A path_of=()
resolve() { # FILE: names → paths, as the loader finds them here
    local name path
    while read -r name path; do
        path_of[$name]=$path
    done < <(ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }')
}
declare -A seen=()
follow() { # FILE: takes the libraries it asks for, and theirs
    local name
    for name in $(needed "$1"); do
        [ -z "${seen[$name]:-}" ] || continue
        seen[$name]=yes
        ! is_of_the_machine "$name" && ! is_stand_in "$name" || continue
        [ -n "${path_of[$name]:-}" ] || resolve "$1"
        [ -n "${path_of[$name]:-}" ] || stop 66 "$1 needs $name, which is not here"
        cp -L "${path_of[$name]}" "$output/lib/$name"
        follow "${path_of[$name]}"
    done
}
for file in "$output"/bin/* "$output"/lib/openmpi/*.so; do
    is_elf "$file" || continue
    case $file in
        */lib/openmpi/*) follow "$plugins/${file##*/}" ;; # its own path: a plugin may find its libraries beside itself
        *) follow "$file" ;;
    esac
done
pmix=${path_of[libpmix.so.2]:-}
if [ -n "$pmix" ]; then
    pmix=$(dirname "$(readlink -f "$pmix")")
    for plugin in "$pmix"/pmix/pmix_mca_*.so; do
        case $plugin in
            *_slurm.so | *'*'*) continue ;;
        esac
        take "$plugin" lib/pmix
        follow "$plugin"
    done
    [ ! -d "$pmix/../share/pmix" ] || cp -rL "$pmix/../share/pmix" "$output/share/pmix"
fi

elf_files() {
    local file
    find "$output" -type f | sort | while read -r file; do
        ! is_elf "$file" || printf '%s\n' "$file"
    done
}
mapfile -t files < <(elf_files)

# stand_in NAME: exports what the bundle's files import under the versions they expect
stand_in() {
    local name=$1 work symbol version
    work=$(mktemp -d)
    # name@VERSION of every import whose version NAME would give
    nm -D --undefined-only --with-symbol-versions "${files[@]}" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
        grep -E "^${2}" >"$work/imports" || true
    version=$(sed -n 's/.*@//p' "$work/imports" | sort -u)
    [ "$(wc -w <<<"$version")" -le 1 ] || stop 70 "$name is wanted in several versions: $version"
    {
        echo '/* A stand-in: every call fails. */'
        while IFS=@ read -r symbol _; do
            case $symbol in
                *_strerror | *_version) printf 'const char *%s(void) { return "not part of this bundle"; }\n' "$symbol" ;;
                curl_global_init | curl_easy_perform | curl_easy_setopt) printf 'int %s(void) { return 2; }\n' "$symbol" ;;
                *) printf 'void *%s(void) { return (void *)0; }\n' "$symbol" ;;
            esac
        done <"$work/imports"
    } >"$work/stand_in.c"
    printf '%s { global: *; };\n' "${version:-NONE}" >"$work/stand_in.map"
    cc -shared -fPIC -O1 -w -fno-builtin -nostdlib "-Wl,-soname,$name" "-Wl,--version-script,$work/stand_in.map" \
        -o "$output/lib/$name" "$work/stand_in.c"
    rm -rf "$work"
}
for name in "${!seen[@]}"; do
    case $name in
        libcurl.so.*) stand_in "$name" 'curl_' ;;
        libcrypto.so.*) stand_in "$name" '[A-Za-z0-9_]+@OPENSSL_' ;;
    esac
done

# A program's DT_RPATH also holds for the libraries that it loads, and for theirs: whatever LD_LIBRARY_PATH says, the bundle's come
# first, and nothing else on the machine sees them. A library's own RUNPATH would end that.
mapfile -t files < <(elf_files)
chmod u+w "${files[@]}"
strip --strip-unneeded "${files[@]}"
for file in "${files[@]}"; do
    case $file in
        "$output"/bin/*) patchelf --force-rpath --set-rpath "\$ORIGIN/../lib" "$file" ;;
        *) [ -z "$(patchelf --print-rpath "$file")" ] || patchelf --remove-rpath "$file" ;;
    esac
done

# glibc_of FILE…: the newest version of glibc that they ask for
glibc_of() {
    objdump -T "$@" 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1 | sed 's/GLIBC_//'
}
glibc=$(glibc_of "${files[@]}")
revision=$("$crisol" --version 2>/dev/null | head -n 1 || true)
sed -e "s|@REVISION@|$revision|" -e "s|@GLIBC@|$glibc|" "$source_folder/launch/bundle-env.sh" >"$output/env.sh"

# Nothing may be left that only this machine has: each name is in the bundle or belongs to the other machine.
for file in "${files[@]}"; do
    for name in $(needed "$file"); do
        [ -e "$output/lib/$name" ] || is_of_the_machine "$name" || stop 70 "$file needs $name, which was not taken"
    done
done

bytes=$(find "$output" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
find "$output" -type f -printf '%s %P\n' | sort -rn | awk 'NR <= 8 { printf "  %6.2f MB  %s\n", $1 / 1e6, $2 }'
printf '%s: %d files, %d.%02d MB of at most %d MB; needs glibc %s or newer\n' "$output" "$(find "$output" -type f | wc -l)" \
    $((bytes / 1000000)) $((bytes % 1000000 / 10000)) "$limit" "$glibc"
[ "$bytes" -le $((limit * 1000000)) ] || stop 70 "the bundle is larger than $limit MB"
if [ -n "$archive" ]; then
    tar -C "$(dirname "$output")" -czf "$archive" "$(basename "$output")"
    printf '%s: %d.%02d MB\n' "$archive" $(($(stat -c %s "$archive") / 1000000)) $(($(stat -c %s "$archive") % 1000000 / 10000))
fi
