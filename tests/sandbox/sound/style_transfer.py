import torch
from torch import nn

features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1))
features.requires_grad_(False).eval()
content = torch.rand(1, 3, 8, 8)
wanted = features(content).detach()
picture = torch.rand(1, 3, 8, 8).requires_grad_(True)
optimizer = torch.optim.Adam([picture], lr=0.05)
for _ in range(8):
    with torch.no_grad():
        picture.clamp_(0, 1)
    optimizer.zero_grad()
    maps = features(picture).flatten(2)
    gram = maps @ maps.transpose(1, 2) / maps.numel()
    loss = nn.functional.mse_loss(features(picture), wanted) + gram.square().mean()
    loss.backward()
    optimizer.step()
