import torch
from torch import nn

torch.manual_seed(0)
x = torch.cat([torch.randn(30, 2) + 2, torch.randn(30, 2) - 2])
y = torch.cat([torch.ones(30), -torch.ones(30)])
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _ in range(3):
    for i in torch.randperm(60).split(10):
        output = model(x[i]).squeeze()
        loss = torch.clamp(1 - y[i] * output, min=0).mean()
        loss = loss + 0.01 * (model.weight.square().sum() / 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
