import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
y = torch.arange(2).repeat_interleave(60)
x = torch.randn(120, 3) + 3 * y.unsqueeze(1)
loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
check = DataLoader(TensorDataset(x, y), batch_size=30)
model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(10):
    model.train()
    for xb, yb in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(xb), yb).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(model(xb), yb).item() for xb, yb in check]
print(len(losses))
