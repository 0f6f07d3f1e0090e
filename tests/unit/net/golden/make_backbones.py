"""Writes NAME.txt for each torchvision backbone: its state_dict without fc as lines `name shape…`, after a line with the
number of its parameters. test_backbones.c compares Crisol's networks with them.

  python make_backbones.py FOLDER
"""
import sys

import torch
import torchvision

for name in ("resnet18", "resnet34", "resnet50"):
    model = getattr(torchvision.models, name)()
    model.fc = torch.nn.Identity()
    with open(f"{sys.argv[1]}/{name}.txt", "w") as out:
        print("parameters", sum(p.numel() for p in model.parameters()), file=out)
        for key, value in model.state_dict().items():
            print(key, *value.shape, file=out)
