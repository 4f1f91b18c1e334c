import torch

label = torch.Tensor(3)  # here
print(label.shape)
one_hot = torch.zeros(5)
total = (label * 2).sum()
