import torch
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    return model, optimizer, scheduler


def train(model, optimizer, scheduler, steps):
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        scheduler.step()


first = build()
train(*first, 4)
names = ("model", "optimizer", "scheduler")
state = {name: each.state_dict() for name, each in zip(names, first, strict=True)}
torch.save(state, "checkpoint.pt")
second = build()
saved = torch.load("checkpoint.pt", weights_only=True)
for name, each in zip(names, second, strict=True):
    each.load_state_dict(saved[name])
train(*second, 4)
