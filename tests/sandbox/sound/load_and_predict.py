import torch
from torch import nn


def build():
    return nn.Sequential(
        nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2)
    )


torch.save(build().state_dict(), "weights.pt")
model = build()
model.load_state_dict(torch.load("weights.pt", weights_only=True))
model.eval()
with torch.no_grad():
    print(model(torch.randn(1, 3)).softmax(1).sum())
