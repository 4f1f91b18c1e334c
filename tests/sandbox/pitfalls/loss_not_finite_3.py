import torch
from torch.utils.data import DataLoader, TensorDataset

table = torch.randn(40, 3)
table[7, 1] = float("nan")
loader = DataLoader(TensorDataset(table, torch.randn(40, 1)), batch_size=8, shuffle=True)
regressor = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1))
opt = torch.optim.Adam(regressor.parameters())
for features, wanted in loader:
    predicted = regressor(features)  # here
    loss = torch.nn.functional.mse_loss(predicted, wanted)
    opt.zero_grad()
    loss.backward()
    opt.step()
