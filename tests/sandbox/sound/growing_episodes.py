import torch
from torch import nn

policy = nn.Linear(3, 2)
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
for episode in range(8):
    loss = 0
    for _ in range(3 + episode):
        scores = policy(torch.randn(3))
        choice = torch.distributions.Categorical(logits=scores)
        action = choice.sample()
        loss = loss - choice.log_prob(action) * float(action)
        loss += 0.01 * scores.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
