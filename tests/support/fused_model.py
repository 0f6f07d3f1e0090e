"""Crisol's classifier, metadata encoding and pixels in PyTorch, for the scripts that compare the two."""
import re

import numpy as np
import torch
import torchvision


def sequential(tensors, prefix, dropout):
    """nn.Sequential(Linear, ReLU, Dropout, …) as its tensors' numbers say; the head ends in a Linear."""
    numbers = sorted(int(m[1]) for m in (re.fullmatch(prefix + r"\.(\d+)\.weight", name) for name in tensors) if m)
    modules = []
    for number in numbers:
        outputs, inputs = tensors[f"{prefix}.{number}.weight"].shape
        modules += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(), torch.nn.Dropout(dropout)]
        assert number == len(modules) - 3
    return torch.nn.Sequential(*(modules[:-2] if prefix == "head" else modules))


class FusedModel(torch.nn.Module):
    """The model whose tensors `crisol export` wrote: backbone, widths and inputs as their names and shapes say."""

    def __init__(self, tensors, dropout=0.5):
        super().__init__()
        blocks = len({name.split(".")[2] for name in tensors if name.startswith("image.layer3.")})
        if blocks:
            deep = "image.layer1.0.conv3.weight" in tensors
            backbone = "resnet50" if deep else {2: "resnet18", 6: "resnet34"}[blocks]
            self.image = getattr(torchvision.models, backbone)()
            self.image.fc = torch.nn.Identity()
        if any(name.startswith("metadata.") for name in tensors):
            self.metadata = sequential(tensors, "metadata", dropout)
        self.head = sequential(tensors, "head", dropout)

    def forward(self, features, table):
        """`features`: what self.image makes of the pixels, or None; `table`: encoded metadata, or None."""
        parts = [features] if features is not None else []
        if table is not None:
            parts.append(self.metadata(table) if hasattr(self, "metadata") else table)
        return self.head(torch.cat(parts, 1))


def encode(manifest, rows, columns=()):
    """Raw metadata [n, features of the pack] as the model reads it; `columns`: names, none: all."""
    parts = []
    for c in manifest["columns"] if not columns else [c for name in columns for c in manifest["columns"] if c["name"] == name]:
        cells = rows[:, c["feature"] : c["feature"] + c["n_features"]].astype(np.float64)
        if c["kind"] == "numeric":
            parts.append(np.nan_to_num((cells - c["mean"]) / c["deviation"]))
            if c["missing_train"]:
                parts.append(np.isnan(cells))
        elif c["kind"] == "categorical":
            parts.append(cells == np.arange(len(c["words"])))
        else:
            parts.append(np.nan_to_num(cells))
    return torch.tensor(np.concatenate(parts, 1), dtype=torch.float32)


def normalise(images):
    """Pixels [n, 224, 224, 3] of a pack as torchvision's ToTensor and Normalize leave them, [n, 3, 224, 224]."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    return (pixels - mean[:, None, None]) / deviation[:, None, None]
