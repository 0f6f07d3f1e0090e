#!/usr/bin/env python3
"""The same training twice: Crisol, and PyTorch from Crisol's first weights, on the same pack, in the same order of samples,
without augmentation and dropout. Then PyTorch again in other orders, which says how far a loss curve moves by chance alone.

  python tests/bench/torch_curve.py build/release/crisol CONFIG.yaml --pack PACK [--weights FILE] [--steps 60] [--seeds 3]
      [--output runs/curve] [--set SECTION.KEY=VALUE …]

Writes OUTPUT/curve.csv and, where gnuplot is installed, OUTPUT/curve.png; ends with 1 if the two curves, smoothed alike,
are further apart anywhere than PyTorch's own orders are from each other on average. PyTorch's part is written from the
documents (docs/training.md, include/crisol/data.h) and takes nothing from the program but the weights and the losses.
Needs torch, torchvision, h5py, safetensors and PyYAML.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import torch
import yaml
from safetensors.torch import load_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from fused_model import FusedModel, encode, normalise
from philox import ORDER, Stream

PLAIN = ["hflip=0", "vflip=0", "rotate=0", "affine=0", "translate=0", "scale=[1, 1]", "shear=[0, 0]", "crop=[1, 1]",
         "color=[0, 0, 0, 0]", "erase=0", "mixup=0", "cutmix=0"]


def crisol_train(args, name, *more):
    """One training in OUTPUT/name that stops by itself; its folder."""
    folder = os.path.join(args.output, name)
    shutil.rmtree(folder, ignore_errors=True)
    sets = [f"augment.{value}" for value in PLAIN] + ["model.head.dropout=0", "model.metadata.dropout=0"]
    sets += [f"data.pack={os.path.abspath(args.pack)}", "schedule.name=constant", "train.epochs=1000000", "train.precision=f32"]
    if args.weights:
        sets.append(f"model.weights={os.path.abspath(args.weights)}")
    sets += args.set + list(more)
    command = [args.crisol, "train", args.config, "--output", folder, "--quiet"]
    for value in sets:
        command += ["--set", value]
    code = subprocess.run(command).returncode
    if code != 75:
        sys.exit(f"crisol train ended with {code} instead of 75, stopped as asked")
    return folder


def refuse_what_is_not_here(config):
    """Options that PyTorch's part below knows nothing of."""
    plain = {"data.sampler": "shuffle", "model.freeze": "none", "loss.focal": 0, "optimizer.clip": 0,
             "optimizer.backbone_lr": 1, "optimizer.decay_norm_bias": True, "schedule.warmup": 0}
    for name, value in plain.items():
        section, key = name.split(".")
        if config[section][key] != value:
            sys.exit(f"{name} must be {value} for this comparison, not {config[section][key]}")


def order(seed, epoch, n):
    """An epoch's samples: sorted by Philox (seed, epoch, sample)."""
    return sorted(range(n), key=lambda i: (Stream(seed, ORDER, epoch, i).u64(), i))


class TrainingSplit:
    """The samples that the config's training uses, with labels, weights of classes and encoded metadata."""

    def __init__(self, pack, config):
        self.manifest = json.load(open(f"{pack}/manifest.json"))
        names = config["data"]["classes"] or self.manifest["classes"]
        new_label = {self.manifest["classes"].index(name): i for i, name in enumerate(names)}
        self.files = [h5py.File(f"{pack}/{s['name']}") for s in self.manifest["shards"] if s["split"] == "train"]
        places = [(f, row) for f in self.files for row in range(len(f["labels"]))]
        labels = np.concatenate([f["labels"][:] for f in self.files])
        chosen = [i for i, label in enumerate(labels) if label in new_label]
        limit = config["data"]["limit_train"]
        if 0 < limit < len(chosen):
            chosen = sorted(chosen[i] for i in order(0, 0, len(chosen))[:limit])
        self.places = [places[i] for i in chosen]
        self.labels = torch.tensor([new_label[labels[i]] for i in chosen])
        raw = np.concatenate([f["metadata"][:] for f in self.files])[chosen]
        self.table = None
        if config["model"]["inputs"] != "image":
            self.table = encode(self.manifest, raw, config["model"]["metadata"]["columns"])
        counts = torch.bincount(self.labels, minlength=len(names)).double()
        kind = config["loss"]["class_weights"]
        if kind == "balanced":
            weights = len(chosen) / (len(names) * counts)
        else:
            weights = torch.tensor([1.0 if kind == "none" else kind[name] for name in names])
        self.class_weights = weights.float()

    def images(self, samples):
        return normalise(np.stack([self.places[i][0]["images"][self.places[i][1]] for i in samples]))


def make_optimizer(config, parameters):
    o = config["optimizer"]
    common = {"lr": o["lr"], "weight_decay": o["weight_decay"]}
    if o["name"] == "sgd":
        return torch.optim.SGD(parameters, momentum=o["momentum"], nesterov=o["nesterov"], **common)
    kind = torch.optim.AdamW if o["name"] == "adamw" else torch.optim.Adam
    return kind(parameters, betas=(o["beta1"], o["beta2"]), eps=o["eps"], **common)


def torch_train(tensors, split, config, seed, steps):
    """Losses before each step. A batch is computed micro-batch by micro-batch, as Crisol does."""
    model = FusedModel(tensors, dropout=0)
    model.load_state_dict(tensors, strict=True)
    model.train()
    optimizer = make_optimizer(config, model.parameters())
    criterion = torch.nn.CrossEntropyLoss(split.class_weights, reduction="sum",
                                          label_smoothing=config["loss"]["label_smoothing"])
    batch, micro = config["data"]["batch"], config["data"]["micro_batch"]
    per_epoch = len(split.labels) // batch
    losses = []
    for step in range(steps):
        if step % per_epoch == 0:
            places = order(seed, step // per_epoch, len(split.labels))
        at = step % per_epoch * batch
        samples = places[at : at + batch]
        weight = split.class_weights[split.labels[samples]].sum()
        optimizer.zero_grad()
        total = 0
        for first in range(0, batch, micro):
            part = samples[first : first + micro]
            features = model.image(split.images(part)) if hasattr(model, "image") else None
            logits = model(features, None if split.table is None else split.table[part])
            loss = criterion(logits, split.labels[part]) / weight
            loss.backward()
            total += loss.item()
        optimizer.step()
        losses.append(total)
        print(f"torch, order {seed}: step {step + 1}/{steps}  loss {total:.4f}", file=sys.stderr, flush=True)
    return np.array(losses)


def smooth(curve, width):
    """Means over `width` steps."""
    return np.convolve(curve, np.ones(width) / width, mode="valid")


def draw(folder, n_seeds):
    lines = ["'curve.csv' using 1:2 with lines lw 2 lc rgb '#b02020' title 'Crisol'",
             "'' using 1:3 with lines lw 2 dt 2 lc rgb '#2040a0' title 'PyTorch, same order'"]
    lines += [f"'' using 1:{4 + i} with lines lc rgb '#a0a0a0' title '{'PyTorch, other orders' if i == 0 else ''}'"
              for i in range(n_seeds)]
    text = ("set terminal pngcairo size 900,500; set output 'curve.png'; set datafile separator ','; set key autotitle columnhead;"
            "set xlabel 'step'; set ylabel 'training loss'; plot " + ", ".join(lines))
    if shutil.which("gnuplot"):
        subprocess.run(["gnuplot", "-e", text], cwd=folder, check=True)
        print(f"{folder}/curve.png")
    else:
        print("no picture: gnuplot is not installed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crisol")
    parser.add_argument("config")
    parser.add_argument("--pack", required=True)
    parser.add_argument("--weights", help="pretrained weights of the backbone")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3, help="other orders")
    parser.add_argument("--window", type=int, default=10, help="steps that a point of the smoothed curves is the mean of")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of PyTorch")
    parser.add_argument("--output", default="runs/curve")
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    # The first weights: a step of rate 0 leaves them as they are (its batch norms' statistics play no part in training).
    start = crisol_train(args, "start", "optimizer.lr=0", "train.stop_after_steps=1")
    model_file = os.path.join(args.output, "start.safetensors")
    subprocess.run([args.crisol, "export", start, "--output", model_file, "--checkpoint", "last"], check=True)
    run = crisol_train(args, "crisol", "train.journal_steps=1", f"train.stop_after_steps={args.steps}")
    events = [json.loads(line) for line in open(f"{run}/journal.jsonl")]
    ours = np.array([event["train/loss"] for event in events if event["event"] == "step"])
    config = yaml.safe_load(open(f"{run}/config.yaml"))
    assert len(ours) == args.steps
    refuse_what_is_not_here(config)
    tensors, split, seed = load_file(model_file), TrainingSplit(args.pack, config), config["train"]["seed"]
    theirs = torch_train(tensors, split, config, seed, args.steps)
    others = np.array([torch_train(tensors, split, config, seed + 1 + i, args.steps) for i in range(args.seeds)])

    with open(f"{args.output}/curve.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["step", "crisol", "torch"] + [f"torch order {seed + 1 + i}" for i in range(args.seeds)])
        out.writerows([step + 1, ours[step], theirs[step], *others[:, step]] for step in range(args.steps))
    draw(args.output, args.seeds)

    relative = np.abs(ours / theirs - 1)
    gap = np.abs(smooth(ours, args.window) - smooth(theirs, args.window))
    curves = np.array([smooth(curve, args.window) for curve in [theirs, *others]])
    spread = float(curves.std(axis=0, ddof=1).mean())
    print(f"{args.steps} steps of {config['data']['batch']}: loss {ours[0]:.4f} → {ours[-1]:.4f} in Crisol, "
          f"{theirs[0]:.4f} → {theirs[-1]:.4f} in PyTorch {torch.__version__}")
    print(f"relative difference: {relative[0]:.1e} in the first step, {relative[:10].max():.1e} at most in the first ten, "
          f"{relative.max():.1e} at most in all, mean {relative.mean():.1e}")
    print(f"means over {args.window} steps: Crisol from PyTorch in the same order {gap.max():.4f} at most, {gap.mean():.4f} on average; "
          f"deviation between PyTorch's {1 + args.seeds} orders {spread:.4f}")
    within = gap.max() <= spread
    print("within" if within else "NOT within", "the spread of PyTorch's own seeds")
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
