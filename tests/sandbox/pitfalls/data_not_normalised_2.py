import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(0)
table = np.column_stack([rng.uniform(20, 70, 50), rng.uniform(20_000, 90_000, 50)])
x = torch.tensor(table, dtype=torch.float32)
y = torch.tensor(rng.uniform(0, 1, (50, 1)), dtype=torch.float32)


class Salary(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.fc(x)  # here


net = Salary()
opt = torch.optim.Adam(net.parameters(), lr=1e-6)
for _ in range(3):
    opt.zero_grad()
    F.l1_loss(net(x), y).backward()
    opt.step()
