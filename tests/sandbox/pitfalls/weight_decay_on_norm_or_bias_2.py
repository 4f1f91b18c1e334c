import torch
import torch.nn.functional as F


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(F.relu(self.bn(self.conv(x))).mean((2, 3)))


def make_optimizer(net):
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)  # here


net = Small()
opt = make_optimizer(net)
for _ in range(3):
    opt.zero_grad()
    F.cross_entropy(net(torch.randn(6, 3, 8, 8)), torch.randint(0, 5, (6,))).backward()
    opt.step()
