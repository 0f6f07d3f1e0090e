#!/usr/bin/env bash
# Installs what Crisol is built from, on Debian 12 or Ubuntu 24.04: only what is missing, by apt, as root or with sudo.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: launch/deps.sh [--tests] [--lint] [--check]

  --tests   also what the tests use
  --lint    also what checks the sources (formatting, shell scripts, clang-tidy) and fetches oneDNN 3
  --check   install nothing: print what is missing; exit code 1 when anything is
TEXT
}

packages=(
    build-essential cmake ninja-build pkg-config git ca-certificates
    openmpi-bin libopenmpi-dev libhdf5-dev libdnnl-dev libyaml-dev
    libjansson-dev libcsv-dev libxxhash-dev libpng-dev libjpeg-dev libzip-dev
)
check=no
for argument in "$@"; do
    case $argument in
        --tests) packages+=(libcmocka-dev clang-14 libclang-rt-14-dev patchelf gnuplot-nox python3 python3-numpy python3-h5py strace slurm-wlm) ;;
        --lint) packages+=(shellcheck clang-format-14 clang-tidy python3-pip) ;;
        --check) check=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            printf 'deps.sh: unknown argument %s\n' "$argument" >&2
            usage >&2
            exit 64
            ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    printf 'deps.sh: no apt here. Install these, as your system names them:\n  %s\n' "${packages[*]}" >&2
    exit 66
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
    printf 'deps.sh: everything is installed (%d packages)\n' "${#packages[@]}"
    exit 0
fi
if [ "$check" = yes ]; then
    printf 'deps.sh: missing: %s\n' "${missing[*]}"
    exit 1
fi

become=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        printf 'deps.sh: needs root or sudo to install: %s\n' "${missing[*]}" >&2
        exit 77
    fi
    become=(sudo)
fi
printf 'deps.sh: will install by apt: %s\n' "${missing[*]}"
"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
printf 'deps.sh: done\n'
