import torch
from torch import nn

table = torch.rand(64, 3) * torch.tensor([1.0, 100.0, 10_000.0])
target = (table[:, 2] > 5000).float().unsqueeze(1)
model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(model(table), target).backward()
    optimizer.step()
