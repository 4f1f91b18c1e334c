import torch


class Branches(torch.nn.Module):
    def __init__(self, names):
        super().__init__()
        self.branches = {name: torch.nn.Linear(5, 2) for name in names}  # here
        self.merge = torch.nn.Linear(2 * len(names), 1)

    def forward(self, x):
        parts = [branch(x) for branch in self.branches.values()]
        return self.merge(torch.cat(parts, dim=1))


model = Branches(["left", "right"])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(6, 5)).pow(2).mean().backward()
    optimizer.step()
