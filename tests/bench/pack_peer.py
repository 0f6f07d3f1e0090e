#!/usr/bin/env python3
"""What one would write without Crisol: packs ODIR-5K with Pillow and h5py on all cores.

    pack_peer.py ODIR_FOLDER OUTPUT_FOLDER [--workers N] [--sync]

Same samples, same 224 x 224 pixels and the same arrays as `crisol pack datasets/odir5k.yaml`, one file a split; the split is
drawn by patient (not stratified, which costs nothing here). --sync brings the files to the disk before it ends, as Crisol
does. Prints one line: seconds and images a second, from the start of the interpreter's work to its end.
"""
import argparse
import ast
import csv
import multiprocessing
import os
import random
import time

import h5py
import numpy as np
from PIL import Image, ImageOps

SIDE = 224


def read_rows(folder):
    with open(os.path.join(folder, "full_df.csv"), encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            path = os.path.join(folder, "preprocessed_images", row["filename"])
            if os.path.isfile(path):
                age = float(row["Patient Age"])
                yield {"path": path, "id": row["filename"], "group": int(row["ID"]), "label": ast.literal_eval(row["target"]).index(1),
                       "metadata": (np.nan if age == 1 else age, float(row["Patient Sex"] == "Male"))}


def split_by_group(rows):
    groups = sorted({row["group"] for row in rows})
    random.Random(1).shuffle(groups)
    train, val = int(0.64 * len(groups)), int(0.80 * len(groups))
    place = {group: "train" if i < train else "val" if i < val else "test" for i, group in enumerate(groups)}
    splits = {"train": [], "val": [], "test": []}
    for row in rows:
        splits[place[row["group"]]].append(row)
    return splits


def decode(path):
    """Resize(256), CenterCrop(224), as torchvision does on a Pillow image."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB")
    width, height = image.size
    if width <= height:
        size = (256, int(256 * height / width))
    else:
        size = (int(256 * width / height), 256)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def write_split(path, rows, pool, sync):
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (len(rows), SIDE, SIDE, 3), np.uint8)
        for i, pixels in enumerate(pool.imap(decode, (row["path"] for row in rows), chunksize=16)):
            images[i] = pixels
        file["metadata"] = np.array([row["metadata"] for row in rows], np.float32)
        file["labels"] = np.array([row["label"] for row in rows], np.int32)
        file["ids"] = np.array([row["id"].encode() for row in rows], "S64")
        file["groups"] = np.array([row["group"] for row in rows], np.int64)
    if sync:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("output")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sync", action="store_true")
    arguments = parser.parse_args()
    start = time.perf_counter()
    os.makedirs(arguments.output, exist_ok=True)
    splits = split_by_group(list(read_rows(arguments.data)))
    with multiprocessing.Pool(arguments.workers) as pool:
        for name, rows in splits.items():
            write_split(os.path.join(arguments.output, name + ".h5"), rows, pool, arguments.sync)
    seconds = time.perf_counter() - start
    n = sum(len(rows) for rows in splits.values())
    print(f"packed {n} images in {seconds:.3f} s, {n / seconds:.0f}/s")


if __name__ == "__main__":
    main()
