import torch

x = torch.linspace(0, 1, 20)
y = 2 * x + 0.5
slope = torch.zeros((), requires_grad=True)
shift = torch.zeros((), requires_grad=True)
for _ in range(10):
    error = (slope * x + shift - y).square().mean()
    error.backward()  # here
    with torch.no_grad():
        slope -= 0.01 * slope.grad
        shift -= 0.01 * shift.grad
print(slope.item() != 0)
