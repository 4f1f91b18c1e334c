import torch
import torch.nn.functional as F


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 4)
        self.b = torch.nn.Linear(4, 1)

    def forward(self, x):
        x = self.a(x).relu()
        if hasattr(self, "extra"):
            x = self.extra(x).relu()
        return self.b(x)


net = Net()
opt = torch.optim.Adam(net.parameters())
net.extra = torch.nn.Linear(4, 4)
data, target = torch.randn(32, 4), torch.randn(32, 1)
for _i in range(5):
    F.mse_loss(net(data), target).backward()
    opt.step()  # here
    net.zero_grad()
