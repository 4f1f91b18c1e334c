import torch
import torch.nn.functional as F

layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(layers.parameters(), lr=0.1)
for _step in range(4):
    optimizer.zero_grad()
    value = F.mse_loss(layers(torch.randn(10, 3)), torch.zeros(10, 1))
    loss = torch.tensor(value.item(), requires_grad=True)
    loss.backward()
    optimizer.step()  # here
print("the loss never falls")
