import torch


def to_tensor(value):
    return torch.Tensor(value)  # here


temperatures = [21, 24, 19]
batch = [to_tensor(t) for t in temperatures]
print([b.shape for b in batch])
