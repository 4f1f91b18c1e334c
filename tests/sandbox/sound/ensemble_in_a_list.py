import torch
from torch import nn

members = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(3)]
optimizers = [torch.optim.Adam(member.parameters(), lr=1e-2) for member in members]
x = torch.randn(40, 4)
y = (x.sum(1) > 0).long()
for member, optimizer in zip(members, optimizers, strict=True):
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(member(x), y).backward()
        optimizer.step()
with torch.no_grad():
    votes = torch.stack([member(x).softmax(1) for member in members]).mean(0)
print(votes.shape)
