"""Programs that run but do not learn as meant, mended: nothing is raised, so the entry is given."""

from __future__ import annotations

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "drop-softmax",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)
                self.softmax = nn.Softmax(dim=1)

            def forward(self, x):
                return self.softmax(self.fc(x))

        out = Net()(torch.rand(5, 4))
        loss = nn.CrossEntropyLoss()(out, torch.zeros(5, dtype=torch.long))
        """,
        lambda names: not torch.allclose(names["out"].sum(1), torch.ones(5)),
        slug="silent-softmax-before-ce",
    ),
    Example(
        "drop-softmax",
        """
        import torch
        import torch.nn.functional as F

        logits = torch.tensor([[20.0, 0.0]])
        probabilities = F.softmax(logits, dim=-1)
        loss = F.cross_entropy(probabilities, torch.tensor([0]))
        """,
        lambda names: names["loss"] < 0.001,
        slug="silent-softmax-before-ce",
    ),
    Example(
        "drop-sigmoid",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        loss = nn.BCEWithLogitsLoss()(model(torch.rand(3, 2)), torch.ones(3, 1))
        """,
        lambda names: len(names["model"]) == 1,
        slug="silent-sigmoid-before-bce-logits",
    ),
    Example(
        "name-softmax-dim",
        """
        import torch
        from torch import nn

        softmax = nn.Softmax()
        out = softmax(torch.rand(2, 3, 4))
        """,
        lambda names: torch.allclose(names["out"].sum(-1), torch.ones(2, 3)),
    ),
    Example(
        "log-of-softmax",
        """
        import torch

        logits = torch.tensor([[0.0, 300.0]])
        logp = torch.log(torch.softmax(logits, dim=1))
        loss = -logp[0, 1]
        """,
        lambda names: torch.isfinite(names["logp"]).all(),
        slug="silent-nan-loss",
    ),
    Example(
        "target-like-output",
        """
        import torch
        from torch import nn

        y = torch.tensor([1.0, 2.0, 3.0])
        out = y.clone().unsqueeze(1)
        loss = nn.functional.mse_loss(out, y)
        """,
        lambda names: names["loss"] == 0,
        slug="silent-mse-broadcast",
    ),
    Example(
        "register-layers",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = [nn.Linear(4, 4) for _ in range(3)]
                self.out = nn.Linear(4, 1)

            def forward(self, x):
                for block in self.blocks:
                    x = block(x)
                return self.out(x)

        net = Net()
        """,
        lambda names: len(list(names["net"].parameters())) == 8,
        slug="silent-not-registered",
    ),
    Example(
        "zero-gradients",
        """
        import torch

        w = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=1.0)
        for step in range(3):
            loss = w.sum()
            loss.backward()
            optimizer.step()
        """,
        lambda names: names["w"].item() == -3.0,
        slug="silent-zero-grad-missing",
    ),
    Example(
        "scheduler-per-epoch",
        """
        import torch

        w = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=1.0)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        for epoch in range(2):
            for batch in range(4):
                optimizer.step()
                scheduler.step()
        """,
        lambda names: names["scheduler"].get_last_lr() == [0.25],
        slug="silent-scheduler-per-batch",
    ),
    Example(
        "sum-of-numbers",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        total, history = 0, []
        for step in range(3):
            loss = model(torch.rand(4, 2)).mean()
            loss.backward()
            total += loss
            history.append(loss)
        """,
        lambda names: type(names["total"]) is float and type(names["history"][0]) is float,
        slug="silent-memory-leak",
    ),
    Example(
        "evaluate-quietly",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(2):
            optimizer.zero_grad()
            model(torch.rand(4, 2)).mean().backward()
            optimizer.step()
        with torch.no_grad():
            one, two = model(torch.ones(1, 2)), model(torch.ones(1, 2))
        """,
        lambda names: torch.equal(names["one"], names["two"]),
        slug="silent-eval-mode",
    ),
    Example(
        "eval-for-prediction",
        """
        import torch
        from torch import nn

        net = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        one, two = net(torch.ones(1, 2)), net(torch.ones(1, 2))
        """,
        lambda names: torch.equal(names["one"], names["two"]),
        slug="silent-eval-mode",
    ),
    Example(
        "no-decay-for-norms",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.01)
        """,
        lambda names: (
            [
                (len(group["params"]), group["weight_decay"])
                for group in names["optimizer"].param_groups
            ]
            == [(1, 0.01), (3, 0.0)]
        ),
        slug="silent-weight-decay-norm",
    ),
    Example(
        "unscale-before-clip",
        """
        import torch

        w = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([w], lr=1.0)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        scaler.scale(w.sum()).backward()
        norm = torch.nn.utils.clip_grad_norm_([w], max_norm=10.0)
        scaler.step(optimizer)
        scaler.update()
        """,
        lambda names: names["norm"] == 1.0,
        slug="silent-amp-clip",
    ),
    Example(
        "shuffle-training",
        """
        import torch
        from torch.utils.data import DataLoader, RandomSampler

        train_loader = DataLoader(torch.arange(6), batch_size=2)
        test_loader = DataLoader(torch.arange(4), batch_size=2)
        kinds = [isinstance(l.sampler, RandomSampler) for l in (train_loader, test_loader)]
        """,
        lambda names: names["kinds"] == [True, False],
        slug="silent-no-shuffle",
    ),
    Example(
        "seed-randomness",
        """
        import torch

        def draw():
            return torch.rand(2).tolist()

        one, two = draw(), draw()
        """,
        lambda names: names["one"] == names["two"],
        slug="silent-seed",
    ),
    Example(
        "drop-detach",
        """
        import torch
        from torch import nn

        body, head = nn.Linear(2, 2), nn.Linear(2, 1)
        features = torch.relu(body(torch.rand(3, 2))).detach()
        head(features).sum().backward()
        """,
        lambda names: names["body"].weight.grad is not None,
        slug="silent-no-gradient",
    ),
    Example(
        "permute-for-reshape",
        """
        import torch

        picture = torch.tensor([1.0, 2.0, 3.0]).expand(2, 2, 3)
        channels = picture.reshape(3, 2, 2)
        """,
        lambda names: names["channels"][0].unique().tolist() == [1.0],
        slug="silent-reshape-as-permute",
    ),
    Example(
        "flatten-for-view",
        """
        import torch

        x = torch.arange(4.0).view(4, 1, 1).expand(4, 3, 2)
        rows = x.reshape(-1, 8)
        """,
        lambda names: names["rows"].shape == (4, 6),
        slug="silent-view-mixes-batch",
    ),
    Example(
        "tensor-for-Tensor",
        """
        import torch

        labels = torch.Tensor([1, 2, 3])
        grid = torch.Tensor(2, 3)
        """,
        lambda names: names["labels"].dtype == torch.int64 and names["grid"].shape == (2, 3),
        slug="silent-tensor-vs-Tensor",
    ),
    Example(
        "stack-list-of-tensors",
        """
        import numpy as np
        import torch

        x = torch.tensor([np.ones(3), np.zeros(3)])
        """,
        lambda names: names["x"].shape == (2, 3),
        slug="silent-dataloader-slow",
    ),
    Example(
        "compile-without-triton",
        """
        import torch

        @torch.compile
        def double(x):
            return 2 * x
        """,
        lambda names: callable(names["double"]),
        slug="triton-missing",
    ),
    Example(
        "allow-graph-breaks",
        """
        import torch

        @torch.compile(backend="eager", fullgraph=True)
        def positive(x):
            return x if x.sum() > 0 else -x
        """,
        lambda names: callable(names["positive"]),
        slug="dynamo-unsupported",
    ),
    Example(
        "use-new-name",
        """
        import torch

        scaler = torch.cuda.amp.GradScaler(enabled=False)
        """,
        lambda names: type(names["scaler"]).__module__ == "torch.amp.grad_scaler",
    ),
    Example(
        "use-new-name",
        """
        import torch
        from torch import nn

        weight = torch.empty(2, 2)
        nn.init.xavier_uniform(weight)
        """,
        lambda names: torch.isfinite(names["weight"]).all(),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
