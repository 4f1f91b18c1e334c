"""Optimizers, schedules and checkpoints, mended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "pass-parameters",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        optimizer = torch.optim.Adam(model, lr=1e-3)
        """,
        lambda names: len(names["optimizer"].param_groups[0]["params"]) == 4,
    ),
    Example(
        "pass-parameters",
        """
        import torch
        from torch import nn

        one, two = nn.Linear(2, 3), nn.Linear(3, 1)
        optimizer = torch.optim.Adam([one.parameters(), two.parameters()])
        """,
        lambda names: len(names["optimizer"].param_groups[0]["params"]) == 4,
    ),
    Example(
        "pass-parameters",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 3)
        optimizer = torch.optim.SGD(model.parameters, lr=0.1)
        """,
        lambda names: len(names["optimizer"].param_groups[0]["params"]) == 2,
    ),
    Example(
        "pass-parameters",
        """
        import torch

        w = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.SGD(w, lr=0.1)
        """,
        lambda names: len(names["optimizer"].param_groups[0]["params"]) == 1,
    ),
    Example(
        "scheduler-after-optimizer",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
        rates = []
        for epoch in range(3):
            scheduler.step()
            for batch in range(2):
                optimizer.zero_grad()
                model(torch.ones(1, 2)).sum().backward()
                optimizer.step()
            rates.append(optimizer.param_groups[0]["lr"])
        """,
        lambda names: names["rates"] == [0.1, 0.05, 0.025],
    ),
    Example(
        "step-with-closure",
        """
        import torch

        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.LBFGS([w], lr=0.5)
        for step in range(5):
            optimizer.zero_grad()
            loss = ((w - 2) ** 2).sum()
            loss.backward()
            optimizer.step()
        """,
        lambda names: torch.allclose(names["w"].detach(), torch.full((2,), 2.0), atol=1e-3),
    ),
    Example(
        "update-scaler",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu")
        for step in range(2):
            optimizer.zero_grad()
            scaler.scale(model(torch.ones(1, 2)).sum()).backward()
            scaler.step(optimizer)
        """,
        lambda names: names["step"] == 1,
    ),
    Example(
        "strip-module-prefix",
        """
        import torch
        from torch import nn

        trained = nn.DataParallel(nn.Linear(3, 2))
        torch.save(trained.state_dict(), "net.pt")
        net = nn.Linear(3, 2)
        net.load_state_dict(torch.load("net.pt"))
        """,
        lambda names: torch.equal(names["net"].weight, names["trained"].module.weight),
    ),
    Example(
        "load-the-weights",
        """
        import torch
        from torch import nn

        net = nn.Linear(3, 2)
        torch.save(net.state_dict(), "weights.pt")
        net.load_state_dict("weights.pt")
        """,
        lambda names: names["net"].weight.shape == (2, 3),
    ),
    Example(
        "load-the-weights",
        """
        import torch
        from torch import nn

        net = nn.Linear(3, 2)
        torch.save({"epoch": 3, "model_state_dict": net.state_dict()}, "last.pt")
        net = nn.Linear(3, 2)
        checkpoint = torch.load("last.pt")
        net.load_state_dict(checkpoint)
        """,
        lambda names: torch.equal(
            names["net"].weight, names["checkpoint"]["model_state_dict"]["weight"]
        ),
    ),
    Example(
        "allow-safe-global",
        """
        import argparse
        import torch

        torch.save({"args": argparse.Namespace(lr=0.1), "w": torch.ones(2)}, "run.pt")
        checkpoint = torch.load("run.pt")
        """,
        lambda names: names["checkpoint"]["args"].lr == 0.1,
    ),
    Example(
        "save-only-weights",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x)

        model = Net()
        torch.save(model, "whole.pt")
        restored = torch.load("whole.pt")
        out = restored(torch.ones(1, 2))
        """,
        lambda names: torch.equal(names["restored"].fc.weight, names["model"].fc.weight),
    ),
    Example(
        "keep-plain-values",
        """
        import numpy as np
        import torch

        losses = [0.5, 0.25]
        torch.save({"w": torch.ones(2), "best": np.mean(losses)}, "best.pt")
        best = torch.load("best.pt")["best"]
        """,
        lambda names: names["best"] == 0.375 and type(names["best"]) is float,
    ),
    Example(
        "match-checkpoint-size",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, classes):
                super().__init__()
                self.fc = nn.Linear(4, classes)

        torch.save(Net(classes=10).state_dict(), "ten.pt")
        model = Net(classes=2)
        model.load_state_dict(torch.load("ten.pt"))
        """,
        lambda names: names["model"].fc.out_features == 10,
    ),
    Example(
        "load-into-model",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

        torch.save(Net().state_dict(), "net.pt")
        model = torch.load("net.pt")
        model.eval()
        """,
        lambda names: names["model"].fc.out_features == 2 and not names["model"].training,
    ),
    Example(
        "drop-verbose",
        """
        import torch

        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        plan = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, verbose=True)
        """,
        lambda names: names["plan"].patience == 2,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.check()
