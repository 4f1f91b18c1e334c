import torch
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(5, 10)
        self.heads = nn.ModuleDict({"age": nn.Linear(10, 1), "kind": nn.Linear(10, 3)})
        self.activations = {"relu": nn.ReLU(), "tanh": nn.Tanh()}

    def forward(self, x, task):
        return self.heads[task](self.activations["relu"](self.trunk(x)))


model = TwoHeads()
optimizer = torch.optim.Adam(model.parameters())
for step in range(8):
    x = torch.randn(12, 5)
    if step % 2:
        loss = nn.functional.mse_loss(model(x, "age").squeeze(1), torch.randn(12))
    else:
        loss = nn.functional.cross_entropy(model(x, "kind"), torch.randint(0, 3, (12,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
