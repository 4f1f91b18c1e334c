import torch
from torch import nn

model = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
accumulate = 4
optimizer.zero_grad()
for i in range(24):
    x = torch.randn(4, 10)
    loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True)) / accumulate
    loss.backward()
    if (i + 1) % accumulate == 0:
        optimizer.step()
        optimizer.zero_grad()
