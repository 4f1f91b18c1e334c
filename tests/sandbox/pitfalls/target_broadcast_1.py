import torch
from torch import nn

x = torch.linspace(-1, 1, 50).unsqueeze(1)
y = 3 * x.squeeze() + 1
model = nn.Linear(1, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    loss = criterion(model(x), y)  # here
    loss.backward()
    optimizer.step()
print("finished")
