import numpy as np
import torch
from torch import nn

features = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
target = np.random.default_rng(2).normal(size=50)
x = torch.from_numpy(features)
y = torch.from_numpy(target).float().unsqueeze(1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
losses = np.zeros(10)
for i in range(10):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    losses[i] = loss.item()
print(model(x).detach().numpy().shape, losses.mean() > 0)
