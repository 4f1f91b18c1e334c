import torch

houses = torch.randn(20, 3)
prices = houses @ torch.tensor([1.0, 2.0, 3.0])
w = torch.randn(3, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for _ in range(5):
    guess = houses @ w + b
    loss = ((guess - prices) ** 2).mean()  # here
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
    w.grad = None
    b.grad = None
