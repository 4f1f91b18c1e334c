import copy
import random
from collections import deque

import torch
from torch import nn

policy_net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target_net = copy.deepcopy(policy_net)
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
memory = deque(maxlen=200)
state = torch.randn(1, 4)
for _ in range(60):
    with torch.no_grad():
        action = policy_net(state).max(1).indices.view(1, 1)
    nxt, reward = torch.randn(1, 4), torch.rand(1)
    memory.append((state, action, nxt, reward))
    state = nxt
    if len(memory) < 16:
        continue
    batch = random.sample(memory, 16)
    states, actions, nexts, rewards = (torch.cat(each) for each in zip(*batch, strict=True))
    q = policy_net(states).gather(1, actions)
    with torch.no_grad():
        best = target_net(nexts).max(1).values
    expected = best * 0.9 + rewards
    loss = nn.SmoothL1Loss()(q, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    target = target_net.state_dict()
    for key, value in policy_net.state_dict().items():
        target[key] = value * 0.005 + target[key] * 0.995
    target_net.load_state_dict(target)
