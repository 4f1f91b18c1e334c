import torch
import torch.nn.functional as F


class Deep(torch.nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(10, 10) for _ in range(depth))
        for layer in self.layers:
            torch.nn.init.normal_(layer.weight, std=0.005)

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x.sum(1)


def main():
    net = Deep(6)
    opt = torch.optim.Adam(net.parameters(), lr=1e-5)
    for _ in range(6):
        loss = F.mse_loss(net(torch.randn(12, 10)), torch.randn(12))
        opt.zero_grad()
        loss.backward()
        opt.step()  # here


main()
