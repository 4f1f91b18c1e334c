import torch
from torch import nn

torch.manual_seed(0)
blocks = []
for _ in range(14):
    blocks += [nn.Linear(16, 16), nn.Sigmoid()]
model = nn.Sequential(nn.Linear(4, 16), nn.Sigmoid(), *blocks, nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
for _ in range(6):
    x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()  # here
