# shellcheck shell=bash
# Source it (bash): . FOLDER/env.sh. Makes crisol and mpirun of this folder usable, wherever it lies, and finds cuDNN, cuBLASLt
# and NCCL where the machine has them outside the loader's reach. @REVISION@; needs glibc @GLIBC@ or newer.
CRISOL_BUNDLE=${BASH_SOURCE[0]%env.sh}
CRISOL_BUNDLE=$(cd "${CRISOL_BUNDLE:-.}" && pwd)
export CRISOL_BUNDLE
export PATH="$CRISOL_BUNDLE/bin:$PATH"

# Open MPI and PMIx know the folders they were built for by heart.
export OPAL_PREFIX=$CRISOL_BUNDLE OPAL_BINDIR=$CRISOL_BUNDLE/bin OPAL_LIBDIR=$CRISOL_BUNDLE/lib OPAL_SYSCONFDIR=$CRISOL_BUNDLE/etc \
    OPAL_PKGLIBDIR=$CRISOL_BUNDLE/lib/openmpi OPAL_PKGDATADIR=$CRISOL_BUNDLE/share/openmpi
export PMIX_PREFIX=$CRISOL_BUNDLE PMIX_LIBDIR=$CRISOL_BUNDLE/lib PMIX_PKGLIBDIR=$CRISOL_BUNDLE/lib/pmix \
    PMIX_PKGDATADIR=$CRISOL_BUNDLE/share/pmix PMIX_SYSCONFDIR=$CRISOL_BUNDLE/etc
export HWLOC_PLUGINS_PATH=$CRISOL_BUNDLE/lib/hwloc # an empty folder: the machine's plugins belong to the machine's hwloc
export HOME="${HOME:-/tmp}" # PMIx crashes where neither HOME nor the user data base names one
if [ "${EUID:-0}" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# The CUDA libraries are opened by name when a GPU is asked for. Where neither the loader's cache nor LD_LIBRARY_PATH has them,
# they may lie in a toolkit's folder or in the wheels beside PyTorch.
crisol_bundle_find() { # LIBRARY → adds its folder to LD_LIBRARY_PATH
    local folder
    local -a folders=()
    case $(ldconfig -p 2>/dev/null || true) in
        *"$1 ("*) return ;;
    esac
    IFS=: read -r -a folders <<<"${LD_LIBRARY_PATH:-}"
    for folder in "${folders[@]}"; do
        [ ! -e "$folder/$1" ] || return 0
    done
    for folder in /usr/local/cuda/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/x86_64-linux/lib /usr/local/nvidia/lib64 \
        ${crisol_bundle_wheels:+"$crisol_bundle_wheels"/*/lib}; do
        if [ -e "$folder/$1" ]; then
            export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
            return
        fi
    done
}
crisol_bundle_wheels=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || true)
for crisol_bundle_library in libcuda.so.1 libcudnn.so.9 libcublasLt.so.13 libnccl.so.2 libnvrtc.so.13; do
    crisol_bundle_find "$crisol_bundle_library"
done
unset -f crisol_bundle_find
unset crisol_bundle_wheels crisol_bundle_library
