import numpy as np
import torch

data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
x_np = torch.from_numpy(np.array(data))
shape = (2, 3)
rand, ones, zeros = torch.rand(shape), torch.ones(shape), torch.zeros(shape)
tensor = torch.ones(4, 4)
tensor[:, 1] = 0
t1 = torch.cat([tensor, tensor, tensor], dim=1)
y1 = tensor @ tensor.T
z1 = tensor.mul(tensor)
pair = torch.Tensor(2, 3).fill_(1.5)
values = torch.Tensor([1.0, 2.0])
agg = tensor.sum().item()
tensor.add_(5)
n = tensor.numpy()
distance = (torch.arange(4.0).unsqueeze(1) - torch.arange(4.0)).abs()
print(t1.shape, agg, n.shape, distance.sum(), pair.sum(), values)
