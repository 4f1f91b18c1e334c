import torch
from torch import nn

torch.manual_seed(42)
X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = 0.7 * X + 0.3
split = int(0.8 * len(X))
model = nn.Linear(1, 1)
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
train_losses, test_losses = [], []
for _ in range(30):
    model.train()
    loss = loss_fn(model(X[:split]), y[:split])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.inference_mode():
        test_loss = loss_fn(model(X[split:]), y[split:])
    train_losses.append(loss.detach().numpy())
    test_losses.append(test_loss.detach().numpy())
