"""Matrix products that do not fit, mended."""

from __future__ import annotations

import pytest
from learner import Example

EXAMPLES = [
    Example(
        "flatten-input",
        """
        import torch
        from torch import nn

        class Digits(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(784, 64)  # all pixels
                self.fc2 = nn.Linear(64, 10)

            def forward(self, x):
                x = torch.relu(self.fc1(x))
                return self.fc2(x)

        out = Digits()(torch.randn(32, 1, 28, 28))
        """,
        lambda names: names["out"].shape == (32, 10),
    ),
    Example(
        "flatten-input",
        """
        import torch
        from torch import nn

        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(),
            nn.Linear(8 * 16 * 16, 10),
        )
        out = net(torch.randn(4, 3, 16, 16))
        """,
        lambda names: names["out"].shape == (4, 10) and len(names["net"]) == 4,
    ),
    Example(
        "set-in-features",
        """
        import torch
        import torch.nn as nn
        import torch.nn.functional as F

        hidden = 120

        class Net(nn.Module):
            def __init__(self):
                super(Net, self).__init__()
                self.conv = nn.Conv2d(1, 6, 5)
                self.pool = nn.MaxPool2d(2)
                self.fc = nn.Linear(6 * 10 * 10, hidden)
                self.out = nn.Linear(hidden, 10)

            def forward(self, x):
                x = self.pool(F.relu(self.conv(x)))
                x = x.view(x.size(0), -1)
                return self.out(F.relu(self.fc(x)))

        net = Net()
        out = net(torch.randn(4, 1, 28, 28))
        """,
        lambda names: names["net"].fc.in_features == 864 and names["out"].shape == (4, 10),
    ),
    Example(
        "set-in-features",
        """
        import torch
        from torch import nn

        class MLP(nn.Module):
            def __init__(self, n_in, n_hidden):
                super().__init__()
                self.layers = nn.Sequential(
                    nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1)
                )

            def forward(self, x):
                return self.layers(x)

        model = MLP(n_in=8, n_hidden=16)
        X = torch.rand(50, 13)
        out = model(X)
        """,
        lambda names: names["model"].layers[0].in_features == 13 and names["out"].shape == (50, 1),
    ),
    Example(
        "set-in-features",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(32, 2))
        out = model(torch.randn(5, 20))
        """,
        lambda names: names["model"][2].in_features == 64,
    ),
    Example(
        "add-feature-dim",
        """
        import torch

        line = torch.nn.Linear(1, 1)
        xs = torch.linspace(0, 1, 20)
        ys = line(xs)
        """,
        lambda names: names["ys"].shape == (20, 1),
    ),
    Example(
        "transpose-operand",
        """
        import torch

        a = torch.randn(5, 3)
        b = torch.randn(7, 3)
        similarity = a @ b
        """,
        lambda names: names["similarity"].shape == (5, 7),
    ),
    Example(
        "transpose-operand",
        """
        import math
        import torch

        def attention(q, k, v):
            weights = torch.softmax(torch.bmm(q, k) / math.sqrt(q.size(-1)), dim=-1)
            return weights @ v

        out = attention(torch.randn(2, 5, 16), torch.randn(2, 9, 16), torch.randn(2, 9, 16))
        """,
        lambda names: names["out"].shape == (2, 5, 16),
    ),
    Example(
        "transpose-input",
        """
        import torch
        from torch import nn

        model = nn.Linear(6, 2)
        features_first = torch.randn(6, 40)
        out = model(features_first)
        """,
        lambda names: names["out"].shape == (40, 2),
        first=False,
    ),
    Example(
        "use-matmul",
        """
        import torch

        batch = torch.randn(8, 5, 4)
        w = torch.randn(4, 3)
        out = torch.mm(batch, w)
        """,
        lambda names: names["out"].shape == (8, 5, 3),
    ),
    Example(
        "use-matmul",
        """
        import torch

        x, w = torch.ones(4, 3), torch.ones(3)
        out = torch.dot(x, w)
        """,
        lambda names: names["out"].tolist() == [3.0] * 4,
    ),
    Example(
        "use-last-dims-transpose",
        """
        import torch

        keys = torch.randn(2, 7, 4)
        out = torch.randn(2, 3, 4) @ keys.t()
        """,
        lambda names: names["out"].shape == (2, 3, 7),
    ),
    Example(
        "unsqueeze-matrix",
        """
        import torch

        row = torch.ones(3)
        m = torch.eye(3)
        out = torch.mm(row, m)
        """,
        lambda names: names["out"].shape == (1, 3),
        first=False,
        needs_scene=True,
    ),
    Example(
        "flatten-and-fit",
        """
        import torch
        from torch import nn

        class Small(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)
                self.fc = nn.Linear(500, 10)

            def forward(self, x):
                x = torch.relu(self.conv(x))
                return self.fc(x)

        model = Small()
        out = model(torch.randn(2, 3, 8, 8))
        """,
        lambda names: names["model"].fc.in_features == 144 and names["out"].shape == (2, 10),
        needs_scene=True,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
