import torch
from torch import nn
from torch.utils.data import DataLoader


class TextModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(50, 8, sparse=False)
        self.fc = nn.Linear(8, 4)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


def collate(batch):
    labels = torch.tensor([label for label, _ in batch], dtype=torch.int64)
    lengths = [0] + [len(text) for _, text in batch]
    offsets = torch.tensor(lengths[:-1]).cumsum(dim=0)
    return labels, torch.cat([text for _, text in batch]), offsets


samples = [(i % 4, torch.randint(0, 50, (3 + i % 5,))) for i in range(40)]
loader = DataLoader(samples, batch_size=8, shuffle=True, collate_fn=collate)
model = TextModel()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
for _ in range(2):
    for labels, text, offsets in loader:
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(text, offsets), labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
