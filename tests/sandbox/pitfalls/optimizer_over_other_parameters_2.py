import copy

import torch
import torch.nn.functional as F

net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
net = copy.deepcopy(net)


def one_epoch():
    for _ in range(4):
        x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
        loss = F.cross_entropy(net(x), y)
        net.zero_grad()
        loss.backward()
        opt.step()  # here


one_epoch()
