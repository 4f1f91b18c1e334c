import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
activations, norms = {}, []
handle = model[1].register_forward_hook(lambda m, i, o: activations.update(relu=o.detach()))
model[0].weight.register_hook(lambda g: norms.append(g.norm().item()))
for _ in range(5):
    model.zero_grad()
    model(torch.randn(7, 4)).pow(2).sum().backward()
handle.remove()
print(activations["relu"].shape, len(norms))
