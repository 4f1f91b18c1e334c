import torch
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, targets):
        ce = nn.functional.cross_entropy(logits, targets, reduction="none")
        return ((1 - torch.exp(-ce)) ** self.gamma * ce).mean()


model = nn.Linear(6, 3)
optimizer = torch.optim.Adam(model.parameters())
loss_fn = FocalLoss()
for _ in range(5):
    optimizer.zero_grad()
    loss = loss_fn(model(torch.randn(12, 6)), torch.randint(0, 3, (12,)))
    loss.backward()
    optimizer.step()
