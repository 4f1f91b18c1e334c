import torch
from torch import nn

model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(40, 6), torch.randint(0, 2, (40,))
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()

with torch.no_grad():
    accuracy = (model(x).argmax(1) == y).float().mean()  # here
print(0 <= accuracy.item() <= 1)
