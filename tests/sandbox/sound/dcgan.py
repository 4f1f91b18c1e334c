import torch
from torch import nn

generator = nn.Sequential(
    nn.ConvTranspose2d(8, 4, 4),
    nn.BatchNorm2d(4),
    nn.ReLU(),
    nn.ConvTranspose2d(4, 1, 4, 2, 1),
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4), nn.Sigmoid(), nn.Flatten(0)
)
criterion = nn.BCELoss()
fixed_noise = torch.randn(4, 8, 1, 1)
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
images, g_losses = [], []
for _ in range(5):
    discriminator.zero_grad()
    real = torch.rand(16, 1, 8, 8) * 2 - 1
    label = torch.full((16,), 1.0)
    loss_real = criterion(discriminator(real), label)
    loss_real.backward()
    fake = generator(torch.randn(16, 8, 1, 1))
    label.fill_(0.0)
    loss_fake = criterion(discriminator(fake.detach()), label)
    loss_fake.backward()
    optimizer_d.step()
    generator.zero_grad()
    label.fill_(1.0)
    loss_g = criterion(discriminator(fake), label)
    loss_g.backward()
    optimizer_g.step()
    g_losses.append(loss_g.item())
    with torch.no_grad():
        images.append(generator(fixed_noise).detach())
