import torch
from torch import nn

model = nn.Linear(3, 1)
old = nn.Linear(3, 1)
optimizer = torch.optim.SGD(old.parameters(), lr=0.1)
x, y = torch.randn(10, 3), torch.randn(10, 1)
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()  # here
