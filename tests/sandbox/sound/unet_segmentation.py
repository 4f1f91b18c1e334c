import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.bottom = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.out = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        d = self.down(x)
        return self.out(torch.cat([d, self.up(self.bottom(d))], dim=1))


model = UNet()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(3):
    pixels, mask = torch.rand(2, 1, 8, 8), torch.randint(0, 3, (2, 8, 8))
    logits = model(pixels)
    loss = nn.functional.cross_entropy(logits, mask)
    opt.zero_grad()
    loss.backward()
    opt.step()
model.eval()
with torch.no_grad():
    iou = (model(pixels).argmax(1) == mask).float().mean()
