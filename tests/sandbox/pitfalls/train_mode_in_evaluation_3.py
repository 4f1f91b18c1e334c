import torch


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(30, 16)
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 1)
        self.out = torch.nn.Linear(16, 4)

    def forward(self, ids):
        return self.out(self.encoder(self.embed(ids)))


def predict(model, ids):
    with torch.inference_mode():
        return model(ids).argmax(-1)  # here


tagger = Tagger()
optimizer = torch.optim.AdamW(tagger.parameters(), lr=1e-3)
criterion = torch.nn.CrossEntropyLoss()
ids, tags = torch.randint(0, 30, (6, 5)), torch.randint(0, 4, (6, 5))
for _ in range(3):
    optimizer.zero_grad()
    criterion(tagger(ids).flatten(0, 1), tags.flatten()).backward()
    optimizer.step()
print(predict(tagger, ids).shape)
