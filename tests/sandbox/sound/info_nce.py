import torch
import torch.nn.functional as F
from torch import nn

encoder = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
for _ in range(5):
    x = torch.randn(16, 8)
    za = F.normalize(encoder(x + 0.1 * torch.randn_like(x)), dim=1)
    zb = F.normalize(encoder(x + 0.1 * torch.randn_like(x)), dim=1)
    logits = za @ zb.T / 0.1
    loss = F.cross_entropy(logits, torch.arange(16))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
