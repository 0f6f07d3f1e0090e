#!/usr/bin/env python3
"""torchvision doing crisol's augmentation: transforms.v2 with the same distributions, on images in memory, one process
a core. Prints one JSON line with images/s of all processes together. Needs torch and torchvision.

The default is what the first study of image + metadata models on fundus images used: flip, rotation, shift, scale,
colour jitter, erasing.
"""
import argparse
import json
import multiprocessing
import os
import statistics
import time

import torch
from torchvision.transforms import v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pipeline(args):
    steps = []
    if args.crop:
        steps.append(v2.RandomResizedCrop(224, scale=(args.crop, 1.0), antialias=False))
    if args.hflip:
        steps.append(v2.RandomHorizontalFlip(args.hflip))
    if args.rotate or args.translate or args.scale:
        steps.append(v2.RandomAffine(
            args.rotate, translate=(args.translate, args.translate) if args.translate else None,
            scale=(1 - args.scale, 1 + args.scale) if args.scale else None,
            interpolation=v2.InterpolationMode.BILINEAR))
    if any(args.color):
        steps.append(v2.ColorJitter(*args.color))
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    if args.erase:
        steps.append(v2.RandomErasing(args.erase))
    return v2.Compose(steps)


def work(number, args, start, rates):
    torch.set_num_threads(1)
    torch.manual_seed(number)
    images = torch.randint(0, 256, (16, 3, 224, 224), dtype=torch.uint8)
    transform = pipeline(args)
    for image in images:
        transform(image)
    start.wait()
    measured = []
    for _ in range(args.rounds):
        begin = time.perf_counter()
        for _ in range(args.images // 16):
            for image in images:
                transform(image)
        measured.append(args.images // 16 * 16 / (time.perf_counter() - begin))
    rates.put(statistics.median(measured))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hflip", type=float, default=0.5)
    parser.add_argument("--rotate", type=float, default=10, help="degrees")
    parser.add_argument("--translate", type=float, default=0.02, help="share of the side")
    parser.add_argument("--scale", type=float, default=0.05, help="1 ± this")
    parser.add_argument("--color", type=float, nargs=4, default=[0.1, 0.1, 0.1, 0.02],
                        metavar=("BRIGHTNESS", "CONTRAST", "SATURATION", "HUE"))
    parser.add_argument("--erase", type=float, default=0.25, help="probability")
    parser.add_argument("--crop", type=float, default=0, help="lowest share of the area; 0: no crop")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--images", type=int, default=256, help="of a process and round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    start, rates = multiprocessing.Barrier(args.processes), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(i, args, start, rates)) for i in range(args.processes)]
    for worker in workers:
        worker.start()
    total = sum(rates.get() for _ in workers)
    for worker in workers:
        worker.join()
    print(json.dumps({"program": f"torchvision transforms.v2, torch {torch.__version__}",
                      "processes": args.processes, "images_s": round(total, 1)}))


if __name__ == "__main__":
    main()
