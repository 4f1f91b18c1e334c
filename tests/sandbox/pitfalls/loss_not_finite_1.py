import torch

p = torch.tensor([0.0, 0.5, 1.0], requires_grad=True)
target = torch.tensor([1.0, 1.0, 0.0])
loss = -(target * torch.log(p)).sum()  # here
loss.backward()
print(p.grad)
