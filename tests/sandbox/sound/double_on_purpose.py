import torch
from torch import nn

model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1)).double()
x = torch.rand(20, 2, dtype=torch.float64)
y = x.sum(1, keepdim=True)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(10):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
print(torch.autograd.gradcheck(torch.sin, (torch.rand(3, dtype=torch.double, requires_grad=True),)))
