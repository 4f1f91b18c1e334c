import torch
from torch import nn

torch.manual_seed(0)
layers = []
for _ in range(12):
    layer = nn.Linear(32, 32)
    nn.init.normal_(layer.weight, std=3.0)
    layers += [layer, nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-30)
for _ in range(4):
    optimizer.zero_grad()
    model(torch.randn(8, 32)).mean().backward()
    optimizer.step()  # here
