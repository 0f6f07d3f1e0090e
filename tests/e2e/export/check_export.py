"""An exported model in PyTorch: loads with strict=True and gives the logits that Crisol gave; with importance.csv, also
the importances of the table's columns.

  python check_export.py MODEL.safetensors RUN/eval-SPLIT PACK SPLIT_NUMBER [TOLERANCE]
"""
import csv
import json
import os
import sys

import h5py
import numpy as np
import torch
from safetensors.torch import load_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from fused_model import FusedModel, encode, normalise
from philox import PERMUTE, Stream

model_file, folder, pack, split = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
tolerance = float(sys.argv[5]) if len(sys.argv) > 5 else 1e-4
tensors = load_file(model_file)


model = FusedModel(tensors)
model.load_state_dict(tensors, strict=True)
model.eval()
assert all(t.dtype == torch.float32 or n.endswith("num_batches_tracked") for n, t in tensors.items())
print(f"ok: {len(tensors)} tensors load with strict=True")

manifest = json.load(open(f"{pack}/manifest.json"))
images, raw = {}, {}
for shard in manifest["shards"]:
    with h5py.File(f"{pack}/{shard['name']}") as file:
        for i, name in enumerate(file["ids"][:]):
            name = bytes(name).rstrip(b"\0").decode()
            images[name], raw[name] = file["images"][i], file["metadata"][i]
arrays = np.load(f"{folder}/predictions.npz")
ids, labels = arrays["ids"].tolist(), arrays["labels"]
raw = np.stack([raw[name] for name in ids])

with torch.no_grad():
    features = None
    if hasattr(model, "image"):
        pixels = normalise(np.stack([images[name] for name in ids]))
        features = torch.cat([model.image(part) for part in pixels.split(8)])
    has_table = hasattr(model, "metadata") or features is None
    logits = model(features, encode(manifest, raw) if has_table else None).numpy()
    worst = np.abs(logits - arrays["logits"]).max() / np.abs(arrays["logits"]).max()
    print(f"logits of {len(ids)} samples: measured {worst:.2e}, allowed {tolerance:.0e}")
    assert worst <= tolerance

    if not os.path.exists(f"{folder}/importance.csv"):
        sys.exit(0)

    def accuracy(rows):
        return float((model(features, encode(manifest, rows)).numpy().argmax(1) == labels).mean())

    seed, base = json.load(open(f"{folder}/metrics.json"))["intervals"]["seed"], accuracy(raw)
    rows = {row["column"]: row for row in csv.DictReader(open(f"{folder}/importance.csv"))}
    for number, column in enumerate(manifest["columns"]):
        drops = []
        for repeat in range(5):
            order, stream = np.arange(len(ids)), Stream(seed, PERMUTE, repeat, number)
            for i in range(len(ids) - 1, 0, -1):
                j = stream.below(i + 1)
                order[[i, j]] = order[[j, i]]
            shuffled, at = raw.copy(), slice(column["feature"], column["feature"] + column["n_features"])
            shuffled[:, at] = raw[order, at]
            drops.append(base - accuracy(shuffled))
        found = float(rows[column["name"]]["accuracy_drop"])
        print(f"accuracy lost when {column['name']} is shuffled: {found:.4f}, in PyTorch {np.mean(drops):.4f}")
        # one answer that rounding turns over is 1 / n of a repeat
        assert abs(found - np.mean(drops)) <= 1.01 / len(ids) / 5
