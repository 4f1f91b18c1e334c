import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 12)
        self.gru = nn.GRU(12, 12, batch_first=True)
        self.dropout = nn.Dropout(0.1)

    def forward(self, ids):
        return self.gru(self.dropout(self.embedding(ids)))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 12)
        self.gru = nn.GRU(12, 12, batch_first=True)
        self.out = nn.Linear(12, 20)

    def forward(self, hidden, target, length):
        step = torch.zeros(hidden.size(1), 1, dtype=torch.long)
        outputs = []
        for i in range(length):
            state, hidden = self.gru(torch.relu(self.embedding(step)), hidden)
            scores = self.out(state)
            outputs.append(scores)
            step = target[:, i : i + 1] if target is not None else scores.argmax(-1).detach()
        return torch.log_softmax(torch.cat(outputs, 1), dim=-1)


encoder, decoder = Encoder(), Decoder()
encoder_optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
decoder_optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)
criterion = nn.NLLLoss()
for _ in range(5):
    source, target = torch.randint(0, 20, (6, 7)), torch.randint(0, 20, (6, 5))
    encoder_optimizer.zero_grad()
    decoder_optimizer.zero_grad()
    _, hidden = encoder(source)
    log_probs = decoder(hidden, target, 5)
    loss = criterion(log_probs.view(-1, 20), target.view(-1))
    loss.backward()
    encoder_optimizer.step()
    decoder_optimizer.step()
encoder.eval()
decoder.eval()
with torch.no_grad():
    print(decoder(encoder(source)[1], None, 5).argmax(-1).shape)
