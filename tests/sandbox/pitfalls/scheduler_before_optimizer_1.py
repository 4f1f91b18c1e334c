import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
for _epoch in range(4):
    scheduler.step()  # here
    optimizer.zero_grad()
    model(torch.randn(5, 2)).pow(2).mean().backward()
    optimizer.step()
