#!/usr/bin/env bash
# From nothing to an evaluated model: installs what is missing, builds, packs, trains over two MPI ranks on all cores,
# evaluates the best checkpoint on the test split.
#   launch/demo.sh              a small data set that is made on the spot, a few minutes on two cores
#   launch/demo.sh odir5k DIR   fundus images with age and sex: DIR holds full_df.csv and preprocessed_images/
#   launch/demo.sh poi DIR      places of interest: DIR holds poi_dataset.csv and data_main/
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0"
}

which=${1:-synthetic}
data=${2:-}
case $which in
    -h | --help)
        usage
        exit 0
        ;;
    synthetic) [ $# -le 1 ] || { usage >&2; exit 64; } ;;
    odir5k | poi)
        if [ $# -ne 2 ] || [ ! -d "$data" ]; then
            printf 'demo.sh: %s needs the folder of its data; datasets/README.md says where to get it\n' "$which" >&2
            exit 64
        fi
        ;;
    *)
        usage >&2
        exit 64
        ;;
esac

"$source_folder/launch/deps.sh"
say "building (preset release)"
build release release -DCRISOL_TESTS=OFF
cd "$source_folder"
crisol=build/release/crisol
runs=runs/demo-$which
pack=packs/demo-$which
mkdir -p runs packs

# Two ranks even on one core; Open MPI must not pin a rank with several workers to one core.
ranks() {
    mpirun --oversubscribe --bind-to none -n 2 "$@"
}

# train NAME [OPTION…] → $runs/NAME, evaluated on the test split
train() {
    local name=$1
    shift
    ranks "$crisol" train "$config" --output "$runs/$name" --set "data.pack=$source_folder/$pack" "${sets[@]}" "$@"
}

macro_f1() {
    sed -n 's/^ "f1_macro": \([0-9.]*\).*/\1/p' "$runs/$1/eval-test/metrics.json"
}

# Cores beyond one a micro-batch go to the workers as threads.
sets=()
if [ "$which" = synthetic ]; then
    config=configs/demo.yaml
    if [ "$cores" -ge 4 ]; then
        sets+=(--set data.micro_batch=4 --set "cpu.threads=$((cores / 4))")
    fi
    rm -rf "$runs" "$pack"
    mkdir -p "$runs"
    say "making a data set: 480 pictures and a table"
    "$crisol" synth "$runs/data"
    head -n 4 "$runs/data/table.csv"
    data=$runs/data
else
    config=configs/$which.yaml
    # Processors without bf16 instructions refuse it; a GPU has them.
    if ! grep -Eq 'avx512_bf16|amx_bf16' /proc/cpuinfo && [ ! -e /dev/nvidia0 ]; then
        sets+=(--set train.precision=f32)
    fi
fi

if [ ! -e "$pack/manifest.json" ]; then
    say "packing"
    "$crisol" pack "datasets/$which.yaml" --root "$data" --output "$pack"
fi

say "training on both the image and the table"
train both
ablation=no
if [ "$which" = synthetic ]; then
    ablation=yes
    for input in image metadata; do
        say "training on the $input alone"
        train "$input" --set "model.inputs=$input"
        ranks "$crisol" eval "$runs/$input" --split test --quiet
    done
fi

say "evaluating the best checkpoint on the test split"
ranks "$crisol" eval "$runs/both" --split test

if [ "$ablation" = yes ]; then
    say "what each input is worth (test macro-F1)"
    for input in image metadata both; do
        printf '  %-9s %.3f\n' "$input" "$(macro_f1 "$input")"
    done
fi

say "files left"
find "$pack" "$runs/both" -type f | sort | while read -r file; do
    printf '  %9s  %s\n' "$(du -h --apparent-size "$file" | cut -f1)" "$file"
done

say "the same with data of your own, once a copy of datasets/synthetic.yaml describes them (mine.yaml)"
cat <<TEXT
  $crisol pack mine.yaml --output packs/mine
  mpirun --bind-to none -n 2 $crisol train configs/demo.yaml --output runs/mine --set data.pack=packs/mine
  $crisol eval runs/mine --split test
TEXT
