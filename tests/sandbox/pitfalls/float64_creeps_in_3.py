import numpy as np
import torch

signal = np.sin(np.linspace(0, 6, 40))
target = torch.as_tensor(signal).unsqueeze(1)
time = torch.linspace(0, 6, 40).unsqueeze(1) / 6
model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
criterion = torch.nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(5):
    optimizer.zero_grad()
    loss = criterion(model(time), target)  # here
    loss.backward()
    optimizer.step()
