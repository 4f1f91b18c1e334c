import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(120, 5)
y = x @ torch.randn(5, 1) + 0.1 * torch.randn(120, 1)
model = nn.Linear(5, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
best, best_state, waited = float("inf"), None, 0
for _ in range(60):
    model.train()
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x[:80]), y[:80]).backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        validation = nn.functional.mse_loss(model(x[80:]), y[80:]).item()
    if validation < best - 1e-4:
        best, best_state, waited = validation, copy.deepcopy(model.state_dict()), 0
    else:
        waited += 1
        if waited == 3:
            break
model.load_state_dict(best_state)
