import torch
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

for kind in ("plateau", "cycle", "sequence"):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if kind == "plateau":
        scheduler = ReduceLROnPlateau(optimizer, patience=1)
    elif kind == "cycle":
        scheduler = OneCycleLR(optimizer, max_lr=0.2, total_steps=10)
    else:
        parts = [LinearLR(optimizer, 0.1, total_iters=3), CosineAnnealingLR(optimizer, 5)]
        scheduler = SequentialLR(optimizer, parts, milestones=[3])
    for _ in range(6):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
        if kind == "plateau":
            scheduler.step(loss.item())
        else:
            scheduler.step()
