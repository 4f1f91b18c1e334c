import torch
import torch.nn.functional as F
from torch import nn

net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(5):
    a, b = torch.randn(12, 10), torch.randn(12, 10)
    same = torch.randint(0, 2, (12,)).float()
    distance = F.pairwise_distance(net(a), net(b))
    loss = (same * distance**2 + (1 - same) * F.relu(1 - distance) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
