import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 16)
        self.b = torch.nn.Linear(16, 2)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


def evaluate(net, loader):
    net.eval()
    hits = 0
    with torch.inference_mode():
        for x, y in loader:
            hits += (net(x).argmax(1) == y).sum().item()  # here
    return hits


torch.manual_seed(0)
x = torch.randn(128, 4)
y = (x[:, 0] > 0).long()
train_loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
net = Net()
with torch.no_grad():
    net.a.bias.fill_(-20)
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for _ in range(5):
    net.train()
    for xb, yb in train_loader:
        opt.zero_grad()
        F.cross_entropy(net(xb), yb).backward()
        opt.step()
print(evaluate(net, DataLoader(TensorDataset(x, y), batch_size=32)) >= 0)
