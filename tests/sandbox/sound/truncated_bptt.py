import torch
from torch import nn

rnn = nn.RNN(2, 8, batch_first=True)
out = nn.Linear(8, 2)
optimizer = torch.optim.SGD([*rnn.parameters(), *out.parameters()], lr=0.05)
series = torch.randn(4, 60, 2)
hidden = None
losses = []
for start in range(0, 50, 10):
    x, y = series[:, start : start + 10], series[:, start + 1 : start + 11]
    states, hidden = rnn(x, hidden)
    hidden = hidden.detach()
    loss = nn.functional.mse_loss(out(states), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(sum(losses) > 0)
