import torch
from torch import nn

pixels = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8)
labels = torch.randint(0, 4, (60,))
images = (pixels.float() / 255 - 0.5) / 0.25
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
for chosen in torch.randperm(60).split(15):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images[chosen]), labels[chosen]).backward()
    optimizer.step()
