import torch

torch.manual_seed(0)
conv = [torch.nn.Conv2d(1, 4, 3, padding=1)]
conv += [torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(10)]
head = torch.nn.Linear(4, 3)
net = torch.nn.ModuleList([*conv, head])
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
labels = torch.tensor([0, 1, 2, 0, 1, 2])
for _epoch in range(5):
    maps = torch.randn(6, 1, 7, 7)
    for layer in conv:
        maps = torch.sigmoid(layer(maps) - 6)
    loss = torch.nn.functional.cross_entropy(head(maps.mean((2, 3))), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()  # here
