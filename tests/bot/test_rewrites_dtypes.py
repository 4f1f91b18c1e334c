"""Dtypes and losses, mended."""

from __future__ import annotations

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "cast-input",
        """
        import numpy as np
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 2)

            def forward(self, x):
                return self.fc(x)

        table = np.random.rand(5, 3)
        x = torch.from_numpy(table)
        out = Net()(x)
        """,
        lambda names: names["out"].dtype == torch.float32,
    ),
    Example(
        "cast-input",
        """
        import torch
        from torch import nn

        ids = torch.randint(0, 9, (4, 6))
        layer = nn.Linear(6, 2)
        out = layer(ids)
        """,
        lambda names: names["out"].shape == (4, 2),
    ),
    Example(
        "cast-input",
        """
        import torch
        from torch import nn

        pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        conv = nn.Conv2d(3, 4, 3)
        out = conv(pixels)
        """,
        lambda names: names["out"].dtype == torch.float32,
    ),
    Example(
        "cast-all-arrays",
        """
        import numpy as np
        import torch
        from torch import nn

        X, y = np.random.rand(20, 2), np.random.rand(20, 1)
        X = torch.from_numpy(X)
        y = torch.tensor(y)
        model = nn.Linear(2, 1)
        loss = nn.BCELoss()(torch.sigmoid(model(X)), y)
        loss.backward()
        """,
        lambda names: names["y"].dtype == torch.float32 and names["model"].weight.grad is not None,
        first=False,
    ),
    Example(
        "cast-input-and-target",
        """
        import numpy as np
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, Dataset

        class Points(Dataset):
            def __len__(self):
                return 8

            def __getitem__(self, i):
                x = np.array([i, 2 * i]) / 8
                return x, x.sum()

        model = nn.Linear(2, 1)
        for x, y in DataLoader(Points(), batch_size=4):
            loss = nn.functional.binary_cross_entropy(torch.sigmoid(model(x)).squeeze(1), y / 99)
            loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "model-to-float",
        """
        import torch
        from torch import nn

        model = nn.Linear(4, 2).double()
        out = model(torch.rand(3, 4))
        """,
        lambda names: names["out"].dtype == torch.float32,
        first=False,
    ),
    Example(
        "cast-operand",
        """
        import torch

        counts = torch.tensor([[1, 5, 3]])
        probabilities = torch.softmax(counts, dim=1)
        """,
        lambda names: abs(names["probabilities"].sum() - 1) < 1e-6,
    ),
    Example(
        "mean-of-floats",
        """
        import torch

        guess, label = torch.tensor([1, 0, 2, 2]), torch.tensor([1, 0, 0, 2])
        accuracy = torch.eq(guess, label).mean().item()
        """,
        lambda names: names["accuracy"] == 0.75,
    ),
    Example(
        "index-to-long",
        """
        import torch
        from torch import nn

        rows = torch.tensor([[2.0, 0.3], [7.0, 0.1]])
        table = nn.Embedding(10, 4)
        out = table(rows[:, 0])
        """,
        lambda names: torch.equal(names["out"], names["table"].weight[[2, 7]]),
    ),
    Example(
        "index-to-long",
        """
        import torch

        scores = torch.tensor([0.1, 0.7, 0.2, 0.9])
        middle = torch.tensor([2, 6]) / 2
        picked = scores[middle]
        """,
        lambda names: names["picked"].tolist() == names["scores"][[1, 3]].tolist(),
    ),
    Example(
        "index-to-long",
        """
        import torch

        q = torch.rand(3, 4)
        a = torch.tensor([[0.0], [3.0], [1.0]])
        chosen = q.gather(1, a)
        """,
        lambda names: names["chosen"][1, 0] == names["q"][1, 3],
    ),
    Example(
        "mask-to-bool",
        """
        import torch

        scores = torch.ones(1, 3)
        mask = torch.tensor([[0, 1, 1]])
        hidden = scores.masked_fill(mask, 0.0)
        """,
        lambda names: names["hidden"].tolist() == [[1.0, 0.0, 0.0]],
    ),
    Example(
        "parameter-of-floats",
        """
        import torch

        w = torch.tensor([2, -1], requires_grad=True)
        loss = (w * w).sum()
        loss.backward()
        """,
        lambda names: names["w"].grad.tolist() == [4.0, -2.0],
    ),
    Example(
        "parameter-of-floats",
        """
        import torch
        from torch import nn

        class Scale(nn.Module):
            def __init__(self):
                super().__init__()
                start = torch.tensor([1, 2])
                self.factor = nn.Parameter(start)

        scale = Scale()
        """,
        lambda names: names["scale"].factor.dtype == torch.float32,
    ),
    Example(
        "overflow-to-lowest",
        """
        import torch

        scores = torch.zeros(1, 3).half()
        later = torch.tensor([[False, True, True]])
        scores = scores.masked_fill(later, float(-1e9))
        """,
        lambda names: names["scores"][0, 1] == torch.finfo(torch.float16).min,
    ),
    Example(
        "out-of-place",
        """
        import torch

        total = torch.zeros(3, dtype=torch.int64)
        for part in (torch.ones(3), torch.full((3,), 0.5)):
            total += part
        """,
        lambda names: names["total"].tolist() == [1.5] * 3,
    ),
    Example(
        "invert-mask",
        """
        import torch

        seen = torch.tensor([True, False, True])
        new = 1 - seen
        """,
        lambda names: names["new"].tolist() == [False, True, False],
    ),
    Example(
        "invert-mask",
        """
        import torch

        a, b = torch.tensor([True, False]), torch.tensor([True, True])
        difference = a - b
        """,
        lambda names: names["difference"].tolist() == [0.0, -1.0],
    ),
    Example(
        "whole-sizes",
        """
        import torch

        x = torch.arange(12.0)
        half = len(x) / 2
        pairs = x.view(2, half)
        """,
        lambda names: names["pairs"].shape == (2, 6),
    ),
    Example(
        "tensor-for-Tensor",
        """
        import torch

        weights = torch.Tensor([0.1, 0.9], dtype=torch.float64)
        """,
        lambda names: names["weights"].dtype == torch.float64,
    ),
    Example(
        "target-to-long",
        """
        import torch
        from torch import nn

        criterion = nn.CrossEntropyLoss()
        labels = torch.tensor([0.0, 2.0, 1.0])
        loss = criterion(torch.randn(3, 3), labels)
        """,
        lambda names: names["loss"].ndim == 0,
    ),
    Example(
        "target-to-float",
        """
        import torch
        from torch import nn

        def step(model, x, y, loss_fn):
            loss = loss_fn(model(x).squeeze(1), y)
            loss.backward()
            return loss

        model = nn.Linear(3, 1)
        loss = step(model, torch.rand(6, 3), torch.randint(0, 2, (6,)), nn.BCEWithLogitsLoss())
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "target-to-float",
        """
        import torch
        from torch import nn

        model = nn.Linear(3, 1)
        y = torch.randint(0, 2, (6, 1)).double()
        loss = nn.BCELoss()(torch.sigmoid(model(torch.rand(6, 3))), y)
        loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "target-without-column",
        """
        import torch
        from torch import nn

        labels = torch.tensor([[1], [0], [2]])
        loss = nn.CrossEntropyLoss()(torch.randn(3, 3), labels)
        """,
        lambda names: names["loss"].ndim == 0,
    ),
    Example(
        "one-hot-to-index",
        """
        import torch
        import torch.nn.functional as F

        rows = torch.tensor([[0, 1, 0], [1, 0, 0]])
        logits = torch.tensor([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
        loss = F.cross_entropy(logits, rows)
        """,
        lambda names: names["loss"] < 0.01,
    ),
    Example(
        "target-without-channel",
        """
        import torch
        from torch import nn

        masks = torch.randint(0, 4, (2, 1, 6, 6))
        loss = nn.CrossEntropyLoss()(torch.randn(2, 4, 6, 6), masks)
        """,
        lambda names: names["loss"].ndim == 0,
    ),
    Example(
        "classes-second",
        """
        import torch
        from torch import nn

        logits = torch.randn(2, 7, 10)  # batch, words, vocabulary
        words = torch.randint(10, (2, 7))
        loss = nn.CrossEntropyLoss()(logits, words)
        """,
        lambda names: torch.isclose(
            names["loss"],
            torch.nn.functional.cross_entropy(
                names["logits"].flatten(0, 1), names["words"].flatten()
            ),
        ),
    ),
    Example(
        "target-like-output",
        """
        import torch
        from torch import nn

        y = torch.tensor([0.0, 1.0, 1.0])
        logits = torch.tensor([[-9.0], [9.0], [9.0]])
        loss = nn.BCEWithLogitsLoss()(logits, y)
        """,
        lambda names: names["loss"] < 0.01,
    ),
    Example(
        "one-hot-target",
        """
        import torch
        from torch import nn

        classes = torch.tensor([0, 2])
        logits = torch.tensor([[9.0, -9.0, -9.0], [-9.0, -9.0, 9.0]])
        loss = nn.BCEWithLogitsLoss()(logits, classes)
        """,
        lambda names: names["loss"] < 0.01,
    ),
    Example(
        "bce-with-logits",
        """
        import torch
        from torch import nn

        criterion = nn.BCELoss()
        logits = torch.tensor([[-9.0], [9.0]])
        loss = criterion(logits, torch.tensor([[0.0], [1.0]]))
        """,
        lambda names: names["loss"] < 0.01,
    ),
    Example(
        "add-sigmoid",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x) * 10

        net = Net()
        out = net(torch.randn(8, 2))
        loss = nn.functional.binary_cross_entropy(out, torch.ones(8, 1))
        accuracy = (out > 0.5).float().mean()
        """,
        lambda names: names["out"].min() >= 0 and names["out"].max() <= 1,
    ),
    Example(
        "scale-target",
        """
        import torch
        from torch import nn

        p = torch.tensor([0.01, 0.99])
        y = torch.tensor([-1.0, 1.0])
        loss = nn.BCELoss()(p, y)
        """,
        lambda names: names["loss"] < 0.05,
        first=False,
        needs_scene=True,
    ),
    Example(
        "count-all-classes",
        """
        import torch
        from torch import nn

        y = torch.tensor([0, 1, 1, 0])
        weight = 4 / torch.bincount(y)
        loss = nn.CrossEntropyLoss(weight=weight)(torch.randn(4, 3), y)
        """,
        lambda names: names["weight"].tolist() == [2.0, 2.0, 4.0],
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
