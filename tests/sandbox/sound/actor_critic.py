import torch
import torch.nn.functional as F
from torch import nn


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 16)
        self.actor, self.critic = nn.Linear(16, 2), nn.Linear(16, 1)

    def forward(self, x):
        h = torch.tanh(self.body(x))
        return torch.log_softmax(self.actor(h), dim=-1), self.critic(h).squeeze(-1)


model = ActorCritic()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(8):
    states, rewards = torch.randn(12, 3), torch.rand(12)
    log_probs, values = model(states)
    actions = torch.distributions.Categorical(logits=log_probs).sample()
    chosen = log_probs.gather(1, actions.unsqueeze(1)).squeeze(1)
    advantage = rewards - values.detach()
    loss = -(chosen * advantage).mean() + F.smooth_l1_loss(values, rewards)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
