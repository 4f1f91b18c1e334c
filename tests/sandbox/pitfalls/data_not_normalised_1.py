import torch
from torch import nn

pixels = torch.randint(0, 256, (24, 1, 8, 8)).float()
labels = torch.randint(0, 3, (24,))
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
for _ in range(3):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(pixels), labels).backward()  # here
    optimizer.step()
