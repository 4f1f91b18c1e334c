import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Regressor(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
        )

    def forward(self, x):
        return self.body(x)[:, 0]


data = TensorDataset(torch.randn(24, 4), torch.randn(24, 1))
model = Regressor()
opt = torch.optim.AdamW(model.parameters())
for inputs, wanted in DataLoader(data, batch_size=8, shuffle=True):
    opt.zero_grad()
    F.smooth_l1_loss(model(inputs), wanted).backward()  # here
    opt.step()
