"""Indices, masks, embeddings, recurrent layers and attention, mended."""

from __future__ import annotations

import pytest
from learner import Example

EXAMPLES = [
    Example(
        "raise-num-embeddings",
        """
        import torch
        from torch import nn

        class Tagger(nn.Module):
            def __init__(self, vocab_size):
                super().__init__()
                self.embed = nn.Embedding(vocab_size, 6)
                self.fc = nn.Linear(6, 3)

            def forward(self, tokens):
                return self.fc(self.embed(tokens).mean(1))

        tokens = torch.tensor([[4, 9, 30], [1, 2, 25]])
        model = Tagger(vocab_size=20)
        out = model(tokens)
        """,
        lambda names: names["model"].embed.num_embeddings == 31,
    ),
    Example(
        "count-from-zero",
        """
        import torch
        from torch import nn

        months = torch.tensor([1, 6, 12])
        table = nn.Embedding(12, 4)
        out = table(months)
        """,
        lambda names: names["table"].num_embeddings == 12 and names["out"].shape == (3, 4),
        first=False,
    ),
    Example(
        "count-from-zero",
        """
        import torch
        from torch import nn

        stars = torch.tensor([1, 5, 3, 2])
        loss = nn.CrossEntropyLoss()(torch.randn(4, 5), stars)
        """,
        lambda names: names["loss"].ndim == 0,
    ),
    Example(
        "cover-all-classes",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
        labels = torch.tensor([0, 3, 1, 2])
        loss = nn.CrossEntropyLoss()(model(torch.rand(4, 6)), labels)
        """,
        lambda names: names["model"][2].out_features == 4,
    ),
    Example(
        "cover-all-classes",
        """
        import torch
        import torch.nn.functional as F

        labels = torch.tensor([0, 4, 2])
        rows = F.one_hot(labels, num_classes=4)
        """,
        lambda names: names["rows"].shape == (3, 5),
    ),
    Example(
        "gather-column",
        """
        import torch

        q = torch.tensor([[0.1, 0.9], [0.7, 0.2]])
        actions = torch.tensor([1, 0])
        chosen = torch.gather(q, 1, actions)
        """,
        lambda names: torch_list(names["chosen"]) == [0.9, 0.7],
    ),
    Example(
        "loop-to-size",
        """
        import torch

        values = torch.tensor([3.0, 1.0, 2.0])
        total = 0.0
        for i in range(1, 4):
            total += values[i].item()
        """,
        lambda names: names["total"] == 6.0,
    ),
    Example(
        "last-index",
        """
        import torch

        values = torch.tensor([3.0, 1.0, 2.0])
        last = values[len(values)]
        """,
        lambda names: names["last"] == 2.0,
    ),
    Example(
        "read-scalar",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        loss = (model(torch.rand(4, 2)) ** 2).mean()
        running = 0.0
        running += loss.data[0]
        """,
        lambda names: isinstance(names["running"], float),
    ),
    Example(
        "index-from-the-end",
        """
        import torch

        scores = torch.tensor([0.2, 0.8])
        positive = scores[:, 1]
        """,
        lambda names: round(names["positive"].item(), 3) == 0.8,
    ),
    Example(
        "mask-without-column",
        """
        import torch

        people = torch.arange(8.0).reshape(4, 2)
        ages = torch.tensor([[10], [40], [5], [30]])
        grown = people[ages > 18]
        """,
        lambda names: names["grown"].tolist() == [[2.0, 3.0], [6.0, 7.0]],
    ),
    Example(
        "transpose-mask",
        """
        import torch
        from torch import nn

        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        x = torch.rand(3, 5, 8)
        pad = torch.zeros(5, 3, dtype=torch.bool)
        out = layer(x, src_key_padding_mask=pad)
        """,
        lambda names: names["out"].shape == (3, 5, 8),
    ),
    Example(
        "next-of-loader",
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.rand(6, 2), torch.rand(6)), batch_size=3)
        x, y = loader[0]
        """,
        lambda names: names["x"].shape == (3, 2),
    ),
    Example(
        "call-size",
        """
        import torch

        x = torch.rand(4, 7)
        rows = x.size[0]
        """,
        lambda names: names["rows"] == 4,
        slug="dataset-method-missing",
    ),
    Example(
        "call-size",
        """
        import torch

        x = torch.rand(4, 7)
        rows, columns = x.shape()
        """,
        lambda names: (names["rows"], names["columns"]) == (4, 7),
    ),
    Example(
        "take-rnn-output",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(4, 8, batch_first=True)
                self.fc = nn.Linear(8, 2)

            def forward(self, x):
                out = self.lstm(x)
                return self.fc(out)

        out = Net()(torch.rand(3, 5, 4))
        """,
        lambda names: names["out"].shape == (3, 5, 2),
    ),
    Example(
        "take-rnn-output",
        """
        import torch
        from torch import nn

        gru = nn.GRU(4, 8, batch_first=True)
        last = torch.relu(gru(torch.rand(3, 5, 4)))
        """,
        lambda names: names["last"].shape == (3, 5, 8),
    ),
    Example(
        "set-state-size",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = nn.RNN(4, 8, batch_first=True)

            def forward(self, x):
                h0 = torch.zeros(1, 32, 8)
                out, h = self.rnn(x, h0)
                return out

        out = Net()(torch.rand(5, 6, 4))
        """,
        lambda names: names["out"].shape == (5, 6, 8),
    ),
    Example(
        "set-state-size",
        """
        import torch
        from torch import nn

        lstm = nn.LSTM(4, 8, num_layers=2)
        h = torch.zeros(1, 3, 8)
        c = torch.zeros(1, 3, 8)
        out, state = lstm(torch.rand(6, 3, 4), (h, c))
        """,
        lambda names: names["state"][0].shape == (2, 3, 8),
    ),
    Example(
        "set-input-size",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, n_features=5):
                super().__init__()
                self.gru = nn.GRU(n_features, 8, batch_first=True)

            def forward(self, x):
                return self.gru(x)[0]

        net = Net()
        out = net(torch.rand(2, 9, 7))
        """,
        lambda names: names["net"].gru.input_size == 7,
    ),
    Example(
        "add-series-dim",
        """
        import torch
        from torch import nn

        lstm = nn.LSTM(input_size=1, hidden_size=4, batch_first=True)
        prices = torch.rand(8, 30)
        out, _ = lstm(prices)
        """,
        lambda names: names["out"].shape == (8, 30, 4),
    ),
    Example(
        "rows-as-steps",
        """
        import torch
        from torch import nn

        gru = nn.GRU(12, 4, batch_first=True)
        out, _ = gru(torch.rand(2, 5, 3, 4))
        """,
        lambda names: names["out"].shape == (2, 5, 4),
    ),
    Example(
        "divide-heads",
        """
        import torch
        from torch import nn

        attention = nn.MultiheadAttention(100, 8, batch_first=True)
        x = torch.rand(2, 3, 100)
        out, _ = attention(x, x, x)
        """,
        lambda names: names["attention"].num_heads == 5,
    ),
    Example(
        "set-embed-dim",
        """
        import torch
        from torch import nn

        attention = nn.MultiheadAttention(embed_dim=16, num_heads=4, batch_first=True)
        x = torch.rand(2, 3, 32)
        out, _ = attention(x, x, x)
        """,
        lambda names: names["attention"].embed_dim == 32,
    ),
    Example(
        "transpose-input",
        """
        import torch
        from torch import nn

        gru = nn.GRU(6, 4, batch_first=True)
        channels_first = torch.rand(2, 6, 50)
        out, _ = gru(channels_first)
        """,
        lambda names: names["out"].shape == (2, 50, 4),
        first=False,
    ),
]


def torch_list(tensor: object) -> list[float]:
    return [round(number, 3) for number in tensor.tolist()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
