#!/usr/bin/env bash
# The scale study on what this machine measures. The network of the table alone keeps it short; no figure is judged.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

here=$(cd "$(dirname "$0")" && pwd)
rm -rf "${scratch:?}"
mkdir -p "$scratch"
cd "$scratch"
common=(--repetitions 3 --warmup 1 --set "data.pack=$2/synthetic-pack" --set model.inputs=metadata --set data.batch=16
    --set data.micro_batch=2 --set cpu.workers=1)
ranks 4 "$crisol" bench train "${common[@]}" --scaling both --output train.json >/dev/null
ranks 4 "$crisol" bench reduce "${common[@]}" --output reduce.json >/dev/null
ranks 2 "$crisol" bench loader "${common[@]}" --output loader.json >/dev/null
PYTHONDONTWRITEBYTECODE=1 python3 "$here/test_scale_study.py" train.json reduce.json loader.json
expect_code 1 'no benchmark of kind train' python3 -B "$here/scale_study.py" reduce.json
