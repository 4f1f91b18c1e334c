import torch
from torch import nn
from torch.func import functional_call

model = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(4):
    outer = 0.0
    for _ in range(3):
        amplitude = torch.rand(1)
        x = torch.rand(10, 1) * 4 - 2
        y = amplitude * torch.sin(x)
        weights = dict(model.named_parameters())
        inner = nn.functional.mse_loss(functional_call(model, weights, (x,)), y)
        gradients = torch.autograd.grad(inner, tuple(weights.values()), create_graph=True)
        fast = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
        outer = outer + nn.functional.mse_loss(functional_call(model, fast, (x,)), y)
    optimizer.zero_grad()
    outer.backward()
    optimizer.step()
