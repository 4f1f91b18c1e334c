import torch

config = {"lr": 3e-4, "weight_decay": 0.05}
layer = torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
encoder = torch.nn.TransformerEncoder(layer, 1)
groups = [{"params": encoder.parameters(), **config}]
optim = torch.optim.Adam(groups)  # here
for _ in range(2):
    optim.zero_grad()
    encoder(torch.randn(2, 5, 16)).square().mean().backward()
    optim.step()
