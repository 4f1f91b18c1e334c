import torch
from torch import nn

net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 9))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
x = torch.rand(60, 1) * 4 - 2
y = x**3 + 0.3 * torch.randn_like(x)
for _ in range(10):
    weight, mean, spread = net(x).chunk(3, dim=1)
    parts = torch.distributions.Normal(mean, spread.exp())
    loss = -torch.logsumexp(weight.log_softmax(1) + parts.log_prob(y), dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
