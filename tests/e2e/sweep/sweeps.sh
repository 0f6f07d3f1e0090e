# shellcheck shell=bash disable=SC2034
# Sourced by the tests of sweeps: a base config, and what of a sweep directory must not depend on how it came about.
# shellcheck source=../../support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../support/shell.sh"

pack=${2:?usage: TEST SCRATCH_FOLDER PACKS}/synthetic-pack
rm -rf "${scratch:?}"/*
cat >"$scratch/base.yaml" <<YAML
data: {pack: $pack, batch: 16, micro_batch: 4, limit_train: 48, limit_val: 16}
model: {inputs: metadata}
train: {epochs: 3, heartbeat: 1, watchdog: 60}
YAML

# content DIR: sweep.csv without times, and the last weights of each trial
content() {
    python3 - "$1" <<'PY'
import csv, glob, hashlib, json, re, sys
with open(sys.argv[1] + "/sweep.csv", newline="") as f:
    for row in csv.DictReader(f):
        row.pop("seconds")
        row["cause"] = re.sub(r"rank \d+ \([^)]*\): ", "", row["cause"])
        # A step that was written twice has tensors of another name: the JSON knows which.
        folder = f"{sys.argv[1]}/trials/{row['id']}/checkpoints"
        last = max((int(re.search(r"step-(\d+)", name)[1]) for name in glob.glob(folder + "/step-*.json")), default=None)
        weights = "none"
        if last is not None:
            tensors = json.load(open(f"{folder}/step-{last}.json"))["tensors"]["file"]
            weights = hashlib.sha256(open(f"{folder}/{tensors}", "rb").read()).hexdigest()[:16]
        print("-" if last is None else f"step {last}", weights, *row.values(), sep=",")
PY
}

# column DIR NAME: of sweep.csv, in its order
column() {
    python3 -c 'import csv, sys
with open(sys.argv[1] + "/sweep.csv", newline="") as f:
    print(*[row[sys.argv[2]] for row in csv.DictReader(f)])' "$1" "$2"
}

# ends DIR: how many trials ended in some state, by state; a trial that ended in one more often than once shows
ends() {
    grep -o '"event": "end", "trial": "[0-9a-f]*", "fence": [0-9]*, "state": "[a-z]*"' "$1/trials.jsonl" |
        sed 's/"fence": [0-9]*, //' | sort | uniq -c
}
