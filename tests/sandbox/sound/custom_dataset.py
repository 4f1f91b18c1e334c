import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split


class Circles(Dataset):
    def __init__(self, count):
        self.points = torch.rand(count, 2) * 2 - 1
        self.labels = (self.points.norm(dim=1) < 0.7).float()

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        return self.points[index], self.labels[index]


train_set, val_set = random_split(Circles(100), [80, 20])
train_loader = DataLoader(train_set, batch_size=20, shuffle=True, drop_last=True)
val_loader = DataLoader(val_set, batch_size=20)
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(3):
    for points, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(points).squeeze(1), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for points, labels in val_loader:
            predicted = torch.sigmoid(model(points).squeeze(1)).round()
            print((predicted == labels).float().mean() >= 0)
