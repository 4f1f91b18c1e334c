"""Arrays, batches and distributions, mended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "copy-array",
        """
        import numpy as np
        import torch

        row = np.arange(4.0)
        flipped = torch.from_numpy(row[::-1])
        """,
        lambda names: names["flipped"].tolist() == [3.0, 2.0, 1.0, 0.0],
    ),
    Example(
        "array-as-numbers",
        """
        import numpy as np
        import torch

        people = np.array([["34", 1.8], ["52", 1.7]], dtype=object)
        x = torch.tensor(people)
        """,
        lambda names: names["x"].dtype == torch.float32 and names["x"][1, 0] == 52,
    ),
    Example(
        "stack-list-of-tensors",
        """
        import torch

        rows = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]
        table = torch.tensor(rows)
        """,
        lambda names: names["table"].tolist() == [[1.0, 2.0], [3.0, 4.0]],
    ),
    Example(
        "pad-rows",
        """
        import torch

        sentences = [[4, 2, 9], [7]]
        batch = torch.tensor(sentences)
        """,
        lambda names: names["batch"].tolist() == [[4, 2, 9], [7, 0, 0]],
    ),
    Example(
        "tensor-of-array",
        """
        import numpy as np
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x)

        x = np.random.rand(6, 2)
        out = Net()(x)
        """,
        lambda names: names["out"].shape == (6, 1),
    ),
    Example(
        "tensor-of-array",
        """
        import torch

        total = torch.sum([1.0, 2.0, 3.0])
        """,
        lambda names: names["total"].item() == 6.0,
    ),
    Example(
        "tensor-of-array",
        """
        import numpy as np
        import torch

        picture = np.zeros((4, 5, 3), dtype=np.float32)
        x = picture.unsqueeze(0)
        """,
        lambda names: names["x"].shape == (1, 4, 5, 3),
    ),
    Example(
        "unpack-batch",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.rand(6, 2), torch.rand(6)), batch_size=3)
        model = nn.Linear(2, 1)
        for x, y in enumerate(loader):
            out = model(x)
        """,
        lambda names: names["out"].shape == (3, 1) and names["y"].shape == (3,),
    ),
    Example(
        "unpack-batch",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.rand(6, 2)), batch_size=3)
        model = nn.Linear(2, 1)
        for batch in loader:
            out = model(batch)
        """,
        lambda names: names["out"].shape == (3, 1),
    ),
    Example(
        "one-number",
        """
        import torch

        errors = torch.tensor([0.5, 1.5])
        message = f"error {errors.item():.2f}"
        """,
        lambda names: names["message"] == "error 1.00",
    ),
    Example(
        "numbers-as-list",
        """
        import torch

        guesses = torch.tensor([2, 0, 1]).item()
        """,
        lambda names: names["guesses"] == [2, 0, 1],
    ),
    Example(
        "list-of-tensors",
        """
        import torch

        a, b = torch.ones(2, 3), torch.zeros(2, 3)
        both = torch.cat(a, b, dim=1)
        """,
        lambda names: names["both"].shape == (2, 6),
    ),
    Example(
        "list-of-tensors",
        """
        import torch

        rows = torch.stack(torch.full((2,), float(i)) for i in range(3))
        """,
        lambda names: names["rows"].shape == (3, 2),
    ),
    Example(
        "mask-with-and",
        """
        import torch

        x = torch.tensor([-1.0, 0.5, 3.0])
        inside = x > 0 and x < 1
        """,
        lambda names: names["inside"].tolist() == [False, True, False],
    ),
    Example(
        "all-of-mask",
        """
        import torch

        a, b = torch.ones(3), torch.ones(3)
        same = False
        if a == b:
            same = True
        """,
        lambda names: names["same"] is True,
    ),
    Example(
        "clamp-element-wise",
        """
        import torch

        x = torch.tensor([-1.0, 2.0])
        positive = max(x, 0)
        """,
        lambda names: names["positive"].tolist() == [0.0, 2.0],
    ),
    Example(
        "probabilities-of-logits",
        """
        import torch

        logits = torch.tensor([[-100.0, 100.0]])
        drawn = torch.multinomial(logits, num_samples=1)
        """,
        lambda names: names["drawn"].tolist() == [[1]],
    ),
    Example(
        "probabilities-of-logits",
        """
        import torch
        from torch.distributions import Categorical

        policy = Categorical(torch.tensor([-50.0, 50.0]))
        action = policy.sample()
        """,
        lambda names: names["action"].item() == 1,
    ),
    Example(
        "draw-with-replacement",
        """
        import torch

        drawn = torch.multinomial(torch.tensor([0.5, 0.5]), 6)
        """,
        lambda names: names["drawn"].shape == (6,),
        first=False,
    ),
    Example(
        "pseudo-inverse",
        """
        import torch

        a = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
        b = torch.tensor([[3.0], [6.0]])
        x = torch.linalg.solve(a, b)
        """,
        lambda names: torch.allclose(names["a"] @ names["x"], names["b"], atol=1e-4),
    ),
    Example(
        "pseudo-inverse",
        """
        import torch

        points = torch.ones(4, 2)
        inverse = torch.inverse(points.T @ points)
        """,
        lambda names: torch.allclose(names["inverse"], torch.full((2, 2), 1 / 16), atol=1e-5),
    ),
    Example(
        "warn-about-determinism",
        """
        import torch
        from torch.nn import functional as F

        torch.use_deterministic_algorithms(True)
        pooled, places = F.max_pool2d(torch.rand(1, 1, 4, 4), 2, return_indices=True)
        back = F.max_unpool2d(pooled, places, 2)
        """,
        lambda names: names["back"].shape == (1, 1, 4, 4),
    ),
    Example(
        "dense-operand",
        """
        import torch

        graph = torch.eye(3).to_sparse()
        soft = torch.sigmoid(graph)
        """,
        lambda names: names["soft"].shape == (3, 3),
    ),
    Example(
        "keep-both-filtered",
        """
        import torch
        from torch.utils.data import TensorDataset

        X, y = torch.arange(10.0).reshape(5, 2), torch.arange(5)
        X = X[X[:, 0] > 3]
        data = TensorDataset(X, y)
        """,
        lambda names: names["data"][0][1] == 2 and len(names["data"]) == 3,
    ),
    Example(
        "complex-spectrum",
        """
        import torch

        sound = torch.sin(torch.arange(400.0))
        spectrum = torch.stft(sound, n_fft=64, window=torch.hann_window(64))
        """,
        lambda names: names["spectrum"].is_complex(),
    ),
    Example(
        "drop-last-batch",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.rand(17, 3))
        loader = DataLoader(data, batch_size=8, shuffle=True)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        seen = 0
        for (x,) in loader:
            seen += len(model(x))
        """,
        lambda names: names["seen"] == 16 and names["model"].training,
    ),
    Example(
        "eval-for-one-sample",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

            def forward(self, x):
                return self.layers(x)

        net = Net()
        with torch.no_grad():
            out = net(torch.rand(1, 3))
        """,
        lambda names: names["out"].shape == (1, 4) and not names["net"].training,
    ),
    Example(
        "pad-batch",
        """
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Words(Dataset):
            words = [[3, 1], [4, 1, 5], [9]]

            def __len__(self):
                return 3

            def __getitem__(self, i):
                return torch.tensor(self.words[i]), i

        for words, labels in DataLoader(Words(), batch_size=3):
            shape = words.shape
        """,
        lambda names: names["shape"] == (3, 3) and names["labels"].tolist() == [0, 1, 2],
    ),
    Example(
        "lists-for-batches",
        """
        import torch
        from torch.utils.data import DataLoader

        class Note:
            pass

        samples = [(torch.zeros(2), Note()), (torch.ones(2), Note())]
        for tensors, notes in DataLoader(samples, batch_size=2):
            count = len(notes)
        """,
        lambda names: names["count"] == 2,
    ),
    Example(
        "paths-as-text",
        """
        from pathlib import Path
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Pictures(Dataset):
            def __len__(self):
                return 2

            def __getitem__(self, i):
                path = Path("pictures") / f"{i}.png"
                return torch.zeros(3), path

        for x, paths in DataLoader(Pictures(), batch_size=2):
            first = paths[0]
        """,
        lambda names: names["first"].endswith("0.png"),
    ),
    Example(
        "drop-loader-option",
        """
        import torch
        from torch.utils.data import DataLoader, SubsetRandomSampler

        loader = DataLoader(
            torch.arange(8),
            batch_size=2,
            shuffle=True,
            sampler=SubsetRandomSampler([0, 1, 2, 3]),
        )
        seen = sorted(torch.cat(list(loader)).tolist())
        """,
        lambda names: names["seen"] == [0, 1, 2, 3],
    ),
    Example(
        "drop-loader-option",
        """
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(torch.arange(8), batch_size=2, persistent_workers=True)
        """,
        lambda names: len(names["loader"]) == 4,
    ),
    Example(
        "name-the-lambda",
        """
        import pickle
        import torch
        from torch.utils.data import Dataset

        class Scaled(Dataset):
            def __init__(self):
                self.transform = lambda x: x / 255

            def __len__(self):
                return 2

            def __getitem__(self, i):
                return self.transform(torch.tensor(255.0 * i))

        copy = pickle.loads(pickle.dumps(Scaled()))
        """,
        lambda names: names["copy"][1] == 1.0,
        first=False,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.check()
