import torch
import torch.nn.functional as F
from torch import nn


class GraphAttention(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = nn.Parameter(torch.Tensor(n_in, n_out))
        self.a = nn.Parameter(torch.Tensor(2 * n_out, 1))
        self.bias = nn.Parameter(torch.Tensor(n_out))
        nn.init.xavier_uniform_(self.W)
        nn.init.xavier_uniform_(self.a)
        self.bias.data.uniform_(-0.1, 0.1)

    def forward(self, h, adjacency):
        Wh = h @ self.W
        n = Wh.size(1)
        scores = F.leaky_relu(Wh @ self.a[:n] + (Wh @ self.a[n:]).T)
        attention = scores.masked_fill(adjacency == 0, float("-inf")).softmax(1)
        return attention @ Wh + self.bias


adjacency = (torch.rand(12, 12) > 0.5).float() + torch.eye(12)
features, labels = torch.randn(12, 5), torch.randint(0, 3, (12,))
train_mask = torch.arange(12) < 8
layer = GraphAttention(5, 3)
optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, weight_decay=5e-4)
for _ in range(10):
    optimizer.zero_grad()
    out = F.log_softmax(layer(features, adjacency), dim=1)
    F.nll_loss(out[train_mask], labels[train_mask]).backward()
    optimizer.step()
