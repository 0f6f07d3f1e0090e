#!/usr/bin/env python3
"""PyTorch on the device that Crisol is measured on, doing the same: ResNet-18 and a metadata MLP, weighted cross-entropy with
smoothing, fused AdamW; channels last, autocast, random uint8 pixels already on the device, no augmentation, no loader. A line of JSON
each for eager and compiled training and for evaluation: median images/s after a warm-up, every step waited for.

torchvision is used where it is; otherwise the same network is built here."""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet18():
    try:
        import torchvision
    except ImportError:
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        inputs = 64
        for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
            inputs = outputs
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = torchvision.models.resnet18(weights=None)
    network.fc = nn.Identity()
    return network


class Fusion(nn.Module):
    """Crisol's `model` defaults: image and metadata features, concatenated, into a head."""

    def __init__(self, features, classes):
        super().__init__()
        self.image = resnet18()
        self.metadata = nn.Sequential(nn.Linear(features, 32), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(512 + 32, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, classes))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, pixels, metadata):
        image = (pixels.permute(0, 3, 1, 2).float().div(255) - self.mean) / self.deviation  # NHWC bytes: channels last already
        return self.head(torch.cat([self.image(image), self.metadata(metadata)], dim=1))


def measure(step, wait, args):
    times = []
    for number in range(args.warmup + args.steps):
        start = time.perf_counter()
        step()
        wait()
        if number >= args.warmup:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def run(mode, what, n, args):
    device = torch.device(args.device)
    torch.manual_seed(1)
    model = Fusion(args.features, args.classes).to(device, memory_format=torch.channels_last)
    pixels = torch.randint(0, 256, (n, 224, 224, 3), dtype=torch.uint8, device=device)
    metadata = torch.randn(n, args.features, device=device)
    labels = torch.arange(n, device=device) % args.classes
    criterion = nn.CrossEntropyLoss(weight=torch.ones(args.classes, device=device), label_smoothing=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=1e-4, fused=True)
    autocast = torch.autocast(args.device, torch.bfloat16, enabled=args.precision == "bf16")
    wait = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    model.train(what == "train")
    network = torch.compile(model) if mode == "compiled" else model

    def train_step():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = network(pixels, metadata)
        criterion(logits.float(), labels).backward()
        optimizer.step()

    @torch.no_grad()
    def eval_step():
        with autocast:
            network(pixels, metadata)

    seconds = measure(train_step if what == "train" else eval_step, wait, args)
    name = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    print(json.dumps({"what": what, "program": f"torch {torch.__version__} {mode}", "device": name, "precision": args.precision,
                      "micro_batch": n, "images_per_s_median": round(n / seconds, 1)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--micro-batch", type=int, nargs="+", default=[128])
    parser.add_argument("--modes", nargs="+", choices=["eager", "compiled"], default=["eager", "compiled"])
    parser.add_argument("--what", nargs="+", choices=["train", "eval"], default=["train"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--features", type=int, default=3)
    parser.add_argument("--classes", type=int, default=8)
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # its best: it need not be reproducible
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    measured = 0
    for mode in args.modes:
        for what in args.what:
            for n in args.micro_batch:
                try:
                    run(mode, what, n, args)
                    measured += 1
                except Exception as error:  # no compiler for torch.compile, out of memory: the others still count
                    print(f"{mode} {what} at {n}: {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main())
