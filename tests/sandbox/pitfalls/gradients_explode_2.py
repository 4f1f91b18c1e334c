import torch

torch.manual_seed(0)
weight = torch.nn.Parameter(torch.eye(6) * 2.5)
optimizer = torch.optim.Adam([weight], lr=1e-3)
for _step in range(4):
    hidden = torch.randn(3, 6)
    for _ in range(30):
        hidden = hidden @ weight
    optimizer.zero_grad()
    hidden.pow(2).mean().backward()
    optimizer.step()  # here
