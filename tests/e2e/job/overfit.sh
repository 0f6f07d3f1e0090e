#!/usr/bin/env bash
# It learns: 32 images by heart. ODIR where it is present, otherwise the synthetic set.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

packs=$2
pack=$packs/synthetic-pack
[ -e "$packs/odir5k-pack/manifest.json" ] && pack=$packs/odir5k-pack
rm -rf "$scratch/run"
echo '{}' >"$scratch/empty.yaml"
"$crisol" train "$scratch/empty.yaml" --output "$scratch/run" --set "data.pack=$pack" --set data.batch=16 \
    --set data.micro_batch=8 --set data.limit_train=32 --set data.limit_val=16 --set train.epochs=30 \
    --set optimizer.lr=3e-4 --set model.head.dropout=0 --set train.monitor=train/accuracy --set train.checkpoint_epochs=100
best=$(python3 - "$scratch/run/metrics.csv" <<'PY'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
print(max(float(row["train/accuracy"]) for row in rows))
PY
)
echo "best training accuracy on 32 images: $best (bar: .99)"
python3 -c "import sys; sys.exit(0 if float('$best') >= .99 else 1)" || fail "32 images were not learnt by heart"
