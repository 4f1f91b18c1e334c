import torch

torch.manual_seed(1)
images = torch.rand(64, 1, 6, 6)
labels = torch.randint(0, 4, (64,))
cnn = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 4)
)
opt = torch.optim.Adam(cnn.parameters(), lr=5.0)
for _ in range(40):
    opt.zero_grad()
    torch.nn.CrossEntropyLoss()(cnn(images), labels).backward()
    opt.step()
cnn.eval()
scores = cnn(images)  # here
print(scores.shape)
