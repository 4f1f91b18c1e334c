import torch
import torch.nn.functional as F

w1 = torch.randn(8, 4, requires_grad=True)
b1 = torch.zeros(8, requires_grad=True)
w2 = (torch.randn(3, 8) / 3).requires_grad_()
for _ in range(10):
    x, y = torch.randn(20, 4), torch.randint(0, 3, (20,))
    logits = F.linear(F.relu(F.linear(x, w1, b1)), w2)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    with torch.no_grad():
        for p in (w1, b1, w2):
            p -= 0.1 * p.grad
            p.grad.zero_()
