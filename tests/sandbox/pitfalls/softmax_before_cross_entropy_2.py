import torch
import torch.nn as nn
import torch.nn.functional as F


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4 * 6 * 6, 10)

    def forward(self, images):
        hidden = F.relu(self.conv(images)).flatten(1)
        return torch.softmax(self.head(hidden), dim=-1)


net = Digits()
opt = torch.optim.Adam(net.parameters())
for _ in range(3):
    images, labels = torch.randn(16, 1, 8, 8), torch.randint(0, 10, (16,))
    opt.zero_grad()
    F.cross_entropy(net(images), labels).backward()  # here
    opt.step()
