import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 16, num_layers=2, dropout=0.1, batch_first=True)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.out(states[:, -1]).squeeze(-1)


wave = torch.sin(torch.linspace(0, 30, 200))
windows = wave.unfold(0, 21, 1)
x, y = windows[:, :-1].unsqueeze(-1), windows[:, -1]
model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for _ in range(4):
    order = torch.randperm(len(x))
    for chosen in order.split(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[chosen]), y[chosen])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
model.eval()
with torch.no_grad():
    print(model(x[:3]).shape)
