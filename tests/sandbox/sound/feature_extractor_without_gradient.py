import torch
from torch import nn

body = nn.Sequential(nn.Linear(6, 12), nn.ReLU())
head = nn.Linear(12, 2)
body.eval()
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
for _ in range(5):
    x, y = torch.randn(10, 6), torch.randint(0, 2, (10,))
    with torch.no_grad():
        features = body(x)
    loss = nn.functional.cross_entropy(head(features), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
