#!/usr/bin/env python3
"""PyTorch doing what `crisol train` does: ResNet-18 (channels last) fused with a metadata MLP, weighted cross-entropy,
AdamW. Prints one JSON line with the median images/s of training and evaluation and the peak memory.

Batches come from memory, or with --pack from a pack's shards (h5py behind a DataLoader, horizontal flip), which is the
whole job. Needs torch and torchvision, with --pack h5py.
"""
import argparse
import glob
import json
import os
import resource
import statistics
import time

import torch
import torchvision
from torch import nn

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


class Fusion(nn.Module):
    """The architecture of crisol's `model` defaults: image features and metadata features, concatenated, into a head."""

    def __init__(self, features, classes):
        super().__init__()
        self.image = torchvision.models.resnet18(weights=None)
        self.image.fc = nn.Identity()
        self.metadata = nn.Sequential(nn.Linear(features, 32), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(512 + 32, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes))

    def forward(self, image, metadata):
        return self.head(torch.cat([self.image(image), self.metadata(metadata)], dim=1))


class PackSplit(torch.utils.data.Dataset):
    """One split of a pack. A worker opens the shards itself: HDF5 handles do not survive a fork."""

    def __init__(self, folder, split):
        self.paths = sorted(glob.glob(os.path.join(folder, f"{split}-*.h5")))
        if not self.paths:
            raise SystemExit(f"{folder}: no shards of the {split} split")
        self.files = None
        import h5py

        self.places, self.classes = [], 0
        for shard, path in enumerate(self.paths):
            with h5py.File(path, "r") as file:
                self.places += [(shard, row) for row in range(len(file["labels"]))]
                self.features = file["metadata"].shape[1]
                self.classes = max(self.classes, int(file["labels"][:].max()) + 1)

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        import h5py

        if self.files is None:
            self.files = [h5py.File(path, "r") for path in self.paths]
        shard, row = self.places[index]
        file = self.files[shard]
        image = torch.from_numpy(file["images"][row]).permute(2, 0, 1)
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        return image, torch.from_numpy(file["metadata"][row]).nan_to_num(), int(file["labels"][row])


def memory_batches(args):
    generator = torch.Generator().manual_seed(args.seed)
    images = torch.randint(0, 256, (args.batch, 3, 224, 224), dtype=torch.uint8, generator=generator)
    metadata = torch.randn(args.batch, args.features, generator=generator)
    labels = torch.randint(0, args.classes, (args.batch,), generator=generator)
    while True:
        yield images, metadata, labels


def pack_batches(dataset, args):
    while True:
        yield from torch.utils.data.DataLoader(
            dataset, args.batch, shuffle=True, drop_last=True, num_workers=args.loader_workers,
            persistent_workers=False)


def time_steps(step, batches, args):
    """Median images/s over the measured steps, waiting for data included."""
    rates = []
    for number in range(args.warmup + args.steps):
        start = time.perf_counter()
        image, metadata, label = next(batches)
        image = (image.float().div_(255) - MEAN) / STD
        step(image.contiguous(memory_format=torch.channels_last), metadata, label)
        if number >= args.warmup:
            rates.append(args.batch / (time.perf_counter() - start))
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--mode", choices=["train", "eval", "both"], default="both")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--features", type=int, default=3)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--pack", help="folder of a pack; without it, one random batch in memory")
    parser.add_argument("--loader-workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    if args.pack:
        dataset = PackSplit(args.pack, "train")
        args.features, args.classes = dataset.features, dataset.classes
    model = Fusion(args.features, args.classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=5e-4, fused=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16")

    def train_step(image, metadata, label):
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = model(image, metadata)
        criterion(logits.float(), label).backward()
        optimizer.step()

    @torch.inference_mode()
    def eval_step(image, metadata, _):
        with autocast:
            model(image, metadata)

    batches = pack_batches(dataset, args) if args.pack else memory_batches(args)
    result = {"program": f"torch {torch.__version__}", "precision": args.precision, "batch": args.batch,
              "threads": args.threads, "input": args.pack or "memory"}
    if args.mode != "eval":
        model.train()
        result["train_images_s"] = round(time_steps(train_step, batches, args), 2)
    if args.mode != "train":
        model.eval()
        result["eval_images_s"] = round(time_steps(eval_step, batches, args), 2)
    result["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
