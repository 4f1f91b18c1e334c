import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(dim=1))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _epoch in range(4):
    optimizer.zero_grad()
    loss = criterion(model(x), y)  # here
    loss.backward()
    optimizer.step()
print("done")
