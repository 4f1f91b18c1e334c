import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(0)
y = torch.from_numpy(rng.normal(size=(20, 1)))
x = torch.randn(20, 3)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()  # here
    loss.backward()
    optimizer.step()
