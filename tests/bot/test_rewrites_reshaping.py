"""Views, permutations, unpackings and broadcasts, mended."""

from __future__ import annotations

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "reshape-for-view",
        """
        import torch

        pictures = torch.arange(24.0).view(2, 3, 4).transpose(1, 2)
        rows = pictures.view(2, -1)  # one row a picture
        """,
        lambda names: names["rows"].tolist() == names["pictures"].reshape(2, -1).tolist(),
    ),
    Example(
        "keep-batch-in-view",
        """
        import torch
        from torch.utils.data import DataLoader

        batch_size = 8
        for x in DataLoader(torch.rand(20, 3, 4, 4), batch_size=batch_size):
            flat = x.view(batch_size, 48)
        """,
        lambda names: names["flat"].shape == (4, 48),
    ),
    Example(
        "flatten-for-view",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(1, 6, 3)
                self.fc = nn.Linear(6 * 5 * 5, 10)

            def forward(self, x):
                x = torch.relu(self.conv(x))
                x = x.view(-1, 6 * 5 * 5)
                return self.fc(x)

        net = Net()
        out = net(torch.rand(2, 1, 13, 13))
        """,
        lambda names: names["out"].shape == (2, 10) and names["net"].fc.in_features == 726,
        needs_scene=True,
    ),
    Example(
        "flatten-for-view",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(256, 10)

            def forward(self, x):
                return self.fc(x.view(-1, 256))

        criterion = nn.CrossEntropyLoss()
        net = Net()
        features = torch.rand(32, 16, 8, 8)  # 1024 numbers a sample
        loss = criterion(net(features), torch.randint(10, (32,)))
        """,
        lambda names: names["net"].fc.in_features == 1024,
    ),
    Example(
        "fit-view-size",
        """
        import torch

        x = torch.arange(30.0)
        table = x.view(5, 5)
        """,
        lambda names: names["table"].shape in {(5, 6), (6, 5)},
    ),
    Example(
        "permute-all-dims",
        """
        import torch

        batch = torch.rand(2, 8, 8, 3)
        images = batch.permute(2, 0, 1)
        """,
        lambda names: names["images"].shape == (2, 3, 8, 8),
    ),
    Example(
        "permute-all-dims",
        """
        import torch

        photo = torch.rand(8, 9, 3)
        image = photo.permute(0, 3, 1, 2)
        """,
        lambda names: names["image"].shape == (3, 8, 9),
    ),
    Example(
        "drop-squeeze",
        """
        import torch

        logits = torch.randn(1, 5)
        guess = logits.squeeze().argmax(dim=1)
        """,
        lambda names: names["guess"].shape == (1,),
    ),
    Example(
        "last-dim",
        """
        import torch

        scores = torch.tensor([1.0, 2.0, 0.5])
        probabilities = torch.softmax(scores, dim=1)
        """,
        lambda names: abs(names["probabilities"].sum() - 1) < 1e-6,
    ),
    Example(
        "stack-vectors",
        """
        import torch

        losses = [torch.tensor(0.5), torch.tensor(0.25)]
        together = torch.cat(losses)
        """,
        lambda names: names["together"].tolist() == [0.5, 0.25],
    ),
    Example(
        "stack-vectors",
        """
        import torch

        left, right = torch.ones(4), torch.zeros(4)
        columns = torch.cat([left, right], dim=1)
        """,
        lambda names: names["columns"].shape == (4, 2),
    ),
    Example(
        "cat-other-dim",
        """
        import torch

        ages = torch.rand(6, 1)
        prices = torch.rand(6, 3)
        table = torch.cat((ages, prices))
        """,
        lambda names: names["table"].shape == (6, 4),
    ),
    Example(
        "unsqueeze-part",
        """
        import torch

        features = torch.rand(6, 4)
        bias = torch.ones(6)
        table = torch.cat([features, bias], dim=1)
        """,
        lambda names: names["table"].shape == (6, 5),
    ),
    Example(
        "pad-sequences",
        """
        import torch

        words = [torch.tensor([1, 2, 3]), torch.tensor([4, 5])]
        batch = torch.stack(words)
        """,
        lambda names: names["batch"].tolist() == [[1, 2, 3], [4, 5, 0]],
    ),
    Example(
        "cat-for-stack",
        """
        import torch

        parts = [torch.ones(2, 3), torch.ones(1, 3)]
        whole = torch.stack(parts)
        """,
        lambda names: names["whole"].shape == (3, 3),
        first=False,
    ),
    Example(
        "keep-reduced-dim",
        """
        import torch

        x = torch.arange(12.0).reshape(4, 3)
        centred = x - x.mean(dim=1)
        """,
        lambda names: names["centred"].sum(dim=1).tolist() == [0.0] * 4,
    ),
    Example(
        "unsqueeze-to-broadcast",
        """
        import torch

        x = torch.ones(4, 3)
        weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
        weighted = x * weight
        """,
        lambda names: names["weighted"][3].tolist() == [4.0] * 3,
    ),
    Example(
        "transpose-to-broadcast",
        """
        import torch

        a = torch.ones(2, 5)
        b = torch.arange(10.0).reshape(5, 2)
        total = a + b
        """,
        lambda names: names["total"].shape == (2, 5),
        first=False,
        needs_scene=True,
    ),
    Example(
        "expand-column",
        """
        import torch

        position = torch.arange(4)
        grid = position.expand(4, 3)
        """,
        lambda names: names["grid"][:, 0].tolist() == [0, 1, 2, 3],
    ),
    Example(
        "unpack-with-batch",
        """
        import torch

        picture = torch.rand(3, 8, 9)
        n, c, h, w = picture.shape
        """,
        lambda names: (names["n"], names["c"], names["h"], names["w"]) == (1, 3, 8, 9),
        first=False,
    ),
    Example(
        "unpack-rest",
        """
        import torch

        volume = torch.rand(2, 3, 8, 9)
        batch, channels = volume.shape
        """,
        lambda names: (names["batch"], names["channels"]) == (2, 3),
    ),
    Example(
        "enumerate-loader",
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.rand(9, 2), torch.rand(9)), batch_size=3)
        for i, (x, y) in loader:
            shape = x.shape
        """,
        lambda names: names["i"] == 2 and names["shape"] == (3, 2),
    ),
    Example(
        "loop-without-unpacking",
        """
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.rand(6, 2)), batch_size=3)
        for x, _ in loader:
            total = x.sum()
        """,
        lambda names: names["x"].shape == (3, 2),
    ),
    Example(
        "einsum-letters",
        """
        import torch

        q, k = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
        scores = torch.einsum("bqd,bdk->bqk", q, k)
        """,
        lambda names: torch.allclose(
            names["scores"], names["q"] @ names["k"].transpose(1, 2), atol=1e-5
        ),
    ),
    Example(
        "split-the-rest",
        """
        import torch
        from torch.utils.data import TensorDataset, random_split

        data = TensorDataset(torch.arange(13))
        train, test = random_split(data, [int(13 * 0.8), int(13 * 0.2)])
        """,
        lambda names: (len(names["train"]), len(names["test"])) == (10, 3),
    ),
    Example(
        "last-step-of-batch",
        """
        import torch
        from torch import nn

        class Reader(nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = nn.LSTM(4, 8, batch_first=True)
                self.fc = nn.Linear(8, 3)

            def forward(self, x):
                out, _ = self.rnn(x)
                return self.fc(out[-1])

        logits = Reader()(torch.rand(6, 11, 4))
        loss = nn.CrossEntropyLoss()(logits, torch.randint(3, (6,)))
        """,
        lambda names: names["logits"].shape == (6, 3),
    ),
    Example(
        "flatten-tokens",
        """
        import torch
        from torch import nn

        criterion = nn.CrossEntropyLoss()
        logits = torch.randn(4, 7, 20)
        tokens = torch.randint(20, (4, 7))
        loss = criterion(logits.view(-1, 20), tokens)
        """,
        lambda names: names["loss"].ndim == 0,
        first=False,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
