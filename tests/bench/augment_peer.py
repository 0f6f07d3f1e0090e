#!/usr/bin/env python3
"""torchvision doing a Crisol config's augmentation: transforms.v2 with the same distributions, on images in memory, behind a
DataLoader. Prints one JSON line with images/s and the workers' CPU time an image.

  python augment_peer.py CONFIG.yaml [--workers 2] [--images 512] [--rounds 5]

Needs torch, torchvision and PyYAML.
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
import yaml
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pipeline(augment):
    """The config's section `augment`. Bilinear, as Crisol: nearest, torchvision's default, is faster and coarser."""
    get = augment.get
    steps = []
    if "crop" in augment:
        steps.append(v2.RandomResizedCrop(224, scale=get("crop"), ratio=get("crop_ratio", [3 / 4, 4 / 3]), antialias=False))
    if get("hflip"):
        steps.append(v2.RandomHorizontalFlip(get("hflip")))
    if get("vflip"):
        steps.append(v2.RandomVerticalFlip(get("vflip")))
    if get("rotate"):
        steps.append(v2.RandomRotation(get("rotate"), interpolation=v2.InterpolationMode.BILINEAR))
    if any(key in augment for key in ("affine", "translate", "scale")):
        shift = get("translate", 0)
        steps.append(v2.RandomAffine(get("affine", 0), translate=(shift, shift) if shift else None, scale=get("scale"),
                                     interpolation=v2.InterpolationMode.BILINEAR))
    if "color" in augment:
        steps.append(v2.ColorJitter(*get("color")))
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    if get("erase"):
        steps.append(v2.RandomErasing(get("erase")))
    unknown = set(augment) - {"crop", "crop_ratio", "hflip", "vflip", "rotate", "affine", "translate", "scale", "color", "erase"}
    if unknown:
        raise SystemExit(f"augment: {', '.join(sorted(unknown))} are not compared here")
    return v2.Compose(steps)


class Images(torch.utils.data.Dataset):
    def __init__(self, n, transform):
        self.n, self.transform = n, transform
        self.images = torch.randint(0, 256, (64, 3, 224, 224), dtype=torch.uint8)

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.transform(self.images[index % len(self.images)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    transform = pipeline(yaml.safe_load(open(args.config)).get("augment", {}))
    loader = torch.utils.data.DataLoader(Images(args.images, transform), 32, num_workers=args.workers, persistent_workers=True)
    rates = []
    for _ in range(args.rounds + 1):  # the first one starts the workers
        begin = time.perf_counter()
        for _ in loader:
            pass
        rates.append(args.images / (time.perf_counter() - begin))
    del loader  # ends the workers, and only then their time is known
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"program": f"torchvision transforms.v2, torch {torch.__version__}", "workers": args.workers,
                      "images_s": round(statistics.median(rates[1:]), 1),
                      "cpu_ms": round(1e3 * (used.ru_utime + used.ru_stime) / args.images / len(rates), 3)}))


if __name__ == "__main__":
    main()
