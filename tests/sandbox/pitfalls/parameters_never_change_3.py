import torch


class Autoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = torch.nn.Linear(10, 3)
        self.decode = torch.nn.Linear(3, 10)

    def forward(self, x):
        return self.decode(torch.tanh(self.encode(x)))


def train(model, batches):
    optimizer = torch.optim.RMSprop([model.decode.weight, model.decode.bias], lr=1e-3)
    criterion = torch.nn.MSELoss()
    for batch in batches:
        model.zero_grad()
        criterion(model(batch), batch).backward()
        optimizer.step()  # here


train(Autoencoder(), [torch.randn(8, 10) for _ in range(5)])
