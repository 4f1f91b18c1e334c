import torch
from torch import nn

torch.manual_seed(1)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loss_fn = nn.CrossEntropyLoss()
x, y = torch.randn(30, 4), torch.randint(0, 2, (30,))
for _epoch in range(8):
    loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()  # here
print("ok")
