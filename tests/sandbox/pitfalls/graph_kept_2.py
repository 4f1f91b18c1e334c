import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def train(model, loader):
    opt = torch.optim.Adam(model.parameters())
    total = 0
    for x, y in loader:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        total += loss  # here
    return total / len(loader)


data = TensorDataset(torch.randn(80, 4), torch.randint(0, 3, (80,)))
print(float(train(torch.nn.Linear(4, 3), DataLoader(data, 8, shuffle=True))) > 0)
