import numpy as np
import torch

rng = np.random.default_rng(0)
x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))
w = np.zeros((3, 1))
for _ in range(20):
    gradient = 2 * x.T @ (x @ w - y) / len(x)
    w -= 0.1 * gradient
weights = torch.from_numpy(w)
print(weights.dtype, torch.allclose(weights, torch.as_tensor(w)))
