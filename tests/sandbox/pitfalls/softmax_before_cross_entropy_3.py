import torch
import torch.nn.functional as F

tokens = torch.randint(0, 20, (4, 7))
embedding = torch.nn.Embedding(20, 12)
rnn = torch.nn.GRU(12, 12, batch_first=True)
out = torch.nn.Linear(12, 20)


def sequence_loss(batch):
    states, _ = rnn(embedding(batch[:, :-1]))
    scores = F.softmax(out(states), dim=2)
    return F.cross_entropy(scores.reshape(-1, 20), batch[:, 1:].reshape(-1))  # here


params = [*embedding.parameters(), *rnn.parameters(), *out.parameters()]
optimizer = torch.optim.Adam(params, lr=1e-2)
for step in range(3):
    loss = sequence_loss(tokens)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item() > 0)
