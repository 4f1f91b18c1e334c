import torch
from torch import nn
from torch.utils.data import DataLoader


class Meter:
    def __init__(self):
        self.values = {"loss": [], "accuracy": []}

    def add(self, **figures):
        for name, figure in figures.items():
            self.values[name].append(figure)


rows = [{"x": torch.randn(5), "label": i % 3} for i in range(48)]
loader = DataLoader(rows, batch_size=12, shuffle=True)
model = nn.Sequential(nn.Linear(5, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))
optimizer = torch.optim.Adam(model.parameters())
meter = Meter()
for _ in range(3):
    for batch in loader:
        optimizer.zero_grad()
        logits = model(batch["x"])
        loss = nn.functional.cross_entropy(logits, batch["label"])
        loss.backward()
        optimizer.step()
        accuracy = (logits.argmax(1) == batch["label"]).float().mean()
        meter.add(loss=loss.item(), accuracy=accuracy.item())
