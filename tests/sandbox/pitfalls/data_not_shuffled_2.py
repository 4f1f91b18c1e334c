import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Folders(Dataset):
    def __init__(self, per_class):
        self.files = [(c, i) for c in range(4) for i in range(per_class)]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        label, _ = self.files[index]
        return torch.randn(1, 5, 5) + label, label


def train(net, epochs=2):
    opt = torch.optim.Adam(net.parameters())
    train_loader = DataLoader(Folders(24), batch_size=8, shuffle=False)  # here
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(net(images), labels)
            opt.zero_grad()
            loss.backward()
            opt.step()


train(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(25, 4)))
