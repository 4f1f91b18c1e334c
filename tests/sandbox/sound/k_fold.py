import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

data = TensorDataset(torch.randn(60, 4), torch.randint(0, 2, (60,)))
folds = torch.randperm(60).chunk(3)
scores = []
for k, held_out in enumerate(folds):
    kept = torch.cat([fold for i, fold in enumerate(folds) if i != k])
    train = DataLoader(Subset(data, kept.tolist()), batch_size=10, shuffle=True)
    test = DataLoader(Subset(data, held_out.tolist()), batch_size=20)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(2):
        for x, y in train:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in test)
    scores.append(right / len(held_out))
print(len(scores))
