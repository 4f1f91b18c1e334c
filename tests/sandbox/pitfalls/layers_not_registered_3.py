import torch


class Block(torch.nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.convs = []  # here
        for _ in range(depth):
            self.convs.append(torch.nn.Conv1d(width, width, 3, padding=1))

    def forward(self, x):
        for conv in self.convs:
            x = conv(x).relu()
        return x


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block(4, 2)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.block(x).mean(-1))


with torch.no_grad():
    print(Model()(torch.randn(2, 4, 9)).shape)
