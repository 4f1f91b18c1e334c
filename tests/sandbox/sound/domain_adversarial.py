import torch
from torch import nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


body, label_head, domain_head = nn.Linear(5, 8), nn.Linear(8, 3), nn.Linear(8, 2)
parameters = [*body.parameters(), *label_head.parameters(), *domain_head.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.05)
criterion = nn.CrossEntropyLoss()
for _ in range(10):
    loss = 0.0
    for domain in (0, 1):
        features = body(torch.randn(16, 5) + domain).relu()
        wanted = torch.full((16,), domain)
        loss = loss + criterion(domain_head(Reverse.apply(features)), wanted)
    loss = loss + criterion(label_head(features), torch.randint(0, 3, (16,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
