import torch
from torch import nn

body, head = nn.Sequential(nn.Linear(5, 8), nn.ReLU()), nn.Linear(8, 2)
model = nn.Sequential(body, head)
body.requires_grad_(False)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)


def steps(optimizer, count):
    for _ in range(count):
        x, y = torch.randn(10, 5), torch.randint(0, 2, (10,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


steps(optimizer, 4)
body.requires_grad_(True)
optimizer.add_param_group({"params": body.parameters(), "lr": 1e-4})
steps(optimizer, 4)
