import itertools

import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.blocks = []
        for a, b in itertools.pairwise(sizes):
            self.blocks.append(nn.Linear(a, b))
        print(sum(p.numel() for p in self.parameters()))
        self.blocks = nn.ModuleList(self.blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x).relu()
        return x


model = Stack([4, 8, 2])
print(sum(p.numel() for p in model.parameters()), model(torch.randn(3, 4)).shape)
