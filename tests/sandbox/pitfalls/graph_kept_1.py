import torch
from torch import nn

model = nn.Linear(5, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
losses = []
for _step in range(12):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(torch.randn(8, 5)), torch.randn(8, 1))
    loss.backward()
    optimizer.step()
    losses.append(loss)  # here
print(len(losses))
