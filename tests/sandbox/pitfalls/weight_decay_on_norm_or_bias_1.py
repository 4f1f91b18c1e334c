import torch
from torch import nn

model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)  # here
for _ in range(3):
    x, y = torch.randn(10, 6), torch.randint(0, 2, (10,))
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
