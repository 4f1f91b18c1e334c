import torch
from torch import nn

features = torch.randn(40, 5)
labels = (features.sum(1, keepdim=True) > 0).float()
classifier = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(classifier.parameters(), lr=0.01)
for _ in range(5):
    optimizer.zero_grad()
    loss = loss_fn(classifier(features), labels)  # here
    loss.backward()
    optimizer.step()
