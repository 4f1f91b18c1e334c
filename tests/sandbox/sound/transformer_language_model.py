import math

import torch
from torch import nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=50):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class LanguageModel(nn.Module):
    def __init__(self, vocabulary, d_model):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, d_model)
        self.position = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, 2, 32, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.decoder = nn.Linear(d_model, vocabulary)
        self.scale = math.sqrt(d_model)

    def forward(self, ids):
        mask = nn.Transformer.generate_square_subsequent_mask(ids.size(1))
        hidden = self.position(self.embed(ids) * self.scale)
        return self.decoder(self.encoder(hidden, mask=mask, is_causal=True))


model = LanguageModel(30, 16)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.95)
criterion = nn.CrossEntropyLoss()
for _epoch in range(2):
    model.train()
    total = 0.0
    for _ in range(4):
        ids = torch.randint(0, 30, (4, 9))
        logits = model(ids[:, :-1])
        loss = criterion(logits.reshape(-1, 30), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        total += loss.item()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        print(math.exp(total / 4) > 1, model(ids).argmax(-1).shape)
