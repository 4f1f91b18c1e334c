import torch
from torch.utils.data import DataLoader, TensorDataset


def batches():
    prices = torch.linspace(300, 400, 60).unfold(0, 10, 1).unsqueeze(-1)
    data = TensorDataset(prices[:, :-1], prices[:, -1])
    return DataLoader(data, batch_size=10, shuffle=True)


lstm, out = torch.nn.LSTM(1, 8, batch_first=True), torch.nn.Linear(8, 1)
opt = torch.optim.SGD([*lstm.parameters(), *out.parameters()], lr=1e-4)
for past, following in batches():
    states, _ = lstm(past)  # here
    loss = torch.nn.functional.mse_loss(out(states[:, -1]) * 100, following)
    opt.zero_grad()
    loss.backward()
    opt.step()
