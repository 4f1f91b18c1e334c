import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.Tensor(factor)  # here

    def forward(self, x):
        return x + self.factor.sum() * 0


layer = Scale(10)
out = layer(torch.randn(4, 10))
print(out.shape)
