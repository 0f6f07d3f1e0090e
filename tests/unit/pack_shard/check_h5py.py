#!/usr/bin/env python3
"""Opens a pack with h5py and numpy alone and compares it with its manifest. Prints what it saw."""
import json
import os
import struct
import sys

import h5py
import numpy as np

try:
    import xxhash
except ImportError:
    xxhash = None


def check_shard(folder, entry, manifest, n_features):
    n = entry["samples"]
    with h5py.File(os.path.join(folder, entry["name"]), "r") as shard:
        assert shard.attrs["format"].decode() == "crisol-shard" and shard.attrs["version"] == 1
        assert shard.attrs["split"].decode() == entry["split"]
        assert shard["images"].shape == (n, 224, 224, 3) and shard["images"].dtype == np.uint8
        assert shard["metadata"].shape == (n, n_features) and shard["metadata"].dtype == "<f4"
        assert shard["labels"].shape == (n,) and shard["labels"].dtype == "<i4"
        assert shard["ids"].shape == (n,) and shard["ids"].dtype == "S64"
        assert shard["groups"].dtype == "<i8" and shard["checksums"].dtype == "<u8"
        assert shard["images"].id.get_offset() == entry["offsets"]["images"] and shard["images"].chunks is None
        assert [name.decode() for name in shard["class_names"][:]] == manifest["classes"]
        assert len(shard["feature_names"]) == n_features
        assert len(set(shard["ids"].asstr()[:])) == n
        if xxhash:
            for i in range(n):
                sample = xxhash.xxh3_64(shard["images"][i].tobytes() + shard["metadata"][i].tobytes())
                sample.update(struct.pack("<i64sq", shard["labels"][i], shard["ids"][i], shard["groups"][i]))
                assert sample.intdigest() == shard["checksums"][i]
        return shard["labels"][:]


def main(folder):
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    n_features = sum(column["n_features"] for column in manifest["columns"])
    counts = {split: np.zeros(len(manifest["classes"]), np.int64) for split in manifest["splits"]}
    for entry in manifest["shards"]:
        counts[entry["split"]] += np.bincount(check_shard(folder, entry, manifest, n_features), minlength=len(manifest["classes"]))
    for split, expected in manifest["splits"].items():
        assert counts[split].tolist() == expected["classes"] and counts[split].sum() == expected["samples"]
    print(f"h5py {h5py.__version__}: {len(manifest['shards'])} shards as the manifest says,"
          f" checksums {'compared' if xxhash else 'not compared (no module xxhash)'}")


main(sys.argv[1])
