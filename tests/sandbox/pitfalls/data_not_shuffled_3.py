import torch
from torch.utils.data import DataLoader, TensorDataset

good, bad = torch.randn(32, 3) + 1, torch.randn(32, 3) - 1
features = torch.vstack([good, bad])
answers = torch.vstack([torch.ones(32, 1), torch.zeros(32, 1)])
batches = DataLoader(  # here
    TensorDataset(features, answers),
    batch_size=8,
)
model = torch.nn.Linear(3, 1)
criterion = torch.nn.BCEWithLogitsLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for features, answers in batches:
        opt.zero_grad()
        criterion(model(features), answers).backward()
        opt.step()
    print("epoch", epoch)
