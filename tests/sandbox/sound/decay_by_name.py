import torch
from torch import nn

model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
norms = {id(p) for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters()}
groups = [
    {"params": [p for p in model.parameters() if id(p) not in norms and p.dim() > 1]},
    {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(2, 5, 8)).square().mean().backward()
    optimizer.step()
