import torch
from torch import nn

model = nn.GRU(2, 6, batch_first=True)
readout = nn.Linear(6, 1)
optimizer = torch.optim.Adam([*model.parameters(), *readout.parameters()])
for _ in range(6):
    losses = []
    states, _ = model(torch.randn(4, 7, 2))
    for t in range(states.size(1)):
        losses.append(nn.functional.mse_loss(readout(states[:, t]), torch.randn(4, 1)))  # noqa: PERF401
    total = sum(losses)
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    print(len(losses), total.item() > 0)
