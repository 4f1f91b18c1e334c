import torch
import torch.nn.functional as F


class Regressor(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(2, 16)
        self.fc2 = torch.nn.Linear(16, 1)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


torch.manual_seed(3)
net = Regressor()
opt = torch.optim.SGD(net.parameters(), lr=2.0)
x = torch.randn(64, 2)
y = 5 * x.sum(1, keepdim=True)
for _epoch in range(6):
    opt.zero_grad()
    loss = F.mse_loss(net(x), y)
    loss.backward()
    opt.step()  # here
