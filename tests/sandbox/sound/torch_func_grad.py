import torch
from torch import nn
from torch.func import functional_call, grad, vmap

model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
params = {name: p.detach() for name, p in model.named_parameters()}


def loss(params, x, y):
    out = functional_call(model, params, (x.unsqueeze(0),)).squeeze(0)
    return ((out - y) ** 2).mean()


x, y = torch.randn(6, 3), torch.randn(6, 1)
per_sample = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
for _ in range(3):
    gradients = grad(lambda p: vmap(loss, in_dims=(None, 0, 0))(p, x, y).mean())(params)
    params = {name: params[name] - 0.1 * gradients[name] for name in params}
print({name: tuple(g.shape) for name, g in per_sample.items()})
