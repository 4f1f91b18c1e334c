import torch

points = torch.randn(12, 2)
distances = torch.cdist(points, points)
places = torch.randn(12, 2, requires_grad=True)
line = torch.randn(12, requires_grad=True)
optimizer = torch.optim.Adam([places, line], lr=0.05)
for _ in range(15):
    optimizer.zero_grad()
    found = (places[:, None] - places[None, :]).square().sum(-1)
    spread = (line.unsqueeze(1) - line.unsqueeze(0)).abs()
    loss = (found - distances.square()).square().mean() + (spread - distances).square().mean()
    loss.backward()
    optimizer.step()
