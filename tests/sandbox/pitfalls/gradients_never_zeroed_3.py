import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, net):
        self.net = net
        self.opt = torch.optim.Adam(net.parameters(), lr=1e-3)
        self.sched = torch.optim.lr_scheduler.StepLR(self.opt, 1, 0.9)

    def fit(self, loader, epochs):
        self.opt.zero_grad()
        for _ in range(epochs):
            for images, labels in loader:
                F.cross_entropy(self.net(images), labels).backward()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
                self.opt.step()  # here
            self.sched.step()


net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(32, 3))
data = TensorDataset(torch.randn(24, 1, 6, 6), torch.randint(0, 3, (24,)))
Trainer(net).fit(DataLoader(data, 8, shuffle=True), 2)
