import torch
import torch.nn.functional as F
from torch import nn

G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
opt_g = torch.optim.RMSprop(G.parameters(), lr=1e-3)
opt_d = torch.optim.RMSprop(D.parameters(), lr=1e-3)
for _step in range(6):
    real = torch.randn(32, 2) + 3
    with torch.no_grad():
        fake = G(torch.randn(32, 4))
    real_score, fake_score = D(real), D(fake)
    d_loss = F.binary_cross_entropy_with_logits(real_score, torch.ones(32, 1))
    d_loss = d_loss + F.binary_cross_entropy_with_logits(fake_score, torch.zeros(32, 1))
    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()
    g_score = D(G(torch.randn(32, 4)))
    g_loss = F.binary_cross_entropy_with_logits(g_score, torch.ones_like(g_score))
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
