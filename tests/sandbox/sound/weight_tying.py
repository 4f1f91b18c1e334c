import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(40, 12)
        self.gru = nn.GRU(12, 12, batch_first=True)
        self.out = nn.Linear(12, 40, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(self.gru(self.embed(ids))[0])


model = Tied()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    ids = torch.randint(0, 40, (5, 8))
    loss = nn.functional.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
