"""Outputs, options of optimizers and packed sequences, mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "float-for-numpy",
        """
        import torch

        half = torch.tensor([1.5, 2.0], dtype=torch.bfloat16)
        array = half.numpy()
        """,
        lambda names: names["array"].dtype == np.float32,
    ),
    Example(
        "channels-last",
        """
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        import torch

        picture = torch.rand(3, 6, 8)
        shown = plt.imshow(picture)
        """,
        lambda names: names["shown"].get_array().shape == (6, 8, 3),
    ),
    Example(
        "plain-number",
        """
        import torch

        loss = torch.tensor([0.25], requires_grad=True)
        line = f"loss {loss:.2f}"
        """,
        lambda names: names["line"] == "loss 0.25",
    ),
    Example(
        "plain-number",
        """
        import json
        import torch

        accuracy = torch.tensor(0.5)
        report = {"epoch": 3, "accuracy": accuracy}
        text = json.dumps(report)
        """,
        lambda names: names["text"] == '{"epoch": 3, "accuracy": 0.5}',
    ),
    Example(
        "append-numbers",
        """
        import json
        import torch

        history = []
        for step in range(2):
            loss = torch.tensor(float(step))
            history.append(loss)
        text = json.dumps(history)
        """,
        lambda names: names["text"] == "[0.0, 1.0]",
    ),
    Example(
        "fit-optimizer-option",
        """
        import torch

        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.Adam([w], learning_rate=0.5)
        """,
        lambda names: names["optimizer"].param_groups[0]["lr"] == 0.5,
    ),
    Example(
        "fit-optimizer-option",
        """
        import torch

        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.Adam([w], lr=0.5, momentum=0.9)
        """,
        lambda names: names["optimizer"].param_groups[0]["lr"] == 0.5,
    ),
    Example(
        "step-with-metric",
        """
        import torch

        w = torch.ones(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        plan = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        for epoch in range(2):
            loss = (w**2).sum()
            loss.backward()
            optimizer.step()
            val_loss = 1.0
            plan.step()
        """,
        lambda names: names["plan"].best == 1.0,
    ),
    Example(
        "count-whole-batches",
        """
        import torch
        from torch.utils.data import DataLoader

        data = torch.rand(10, 2)
        loader = DataLoader(data, batch_size=4)
        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1)
        plan = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, epochs=2, steps_per_epoch=len(data) // 4
        )
        for epoch in range(2):
            for x in loader:
                optimizer.step()
                plan.step()
        """,
        lambda names: names["plan"].total_steps == 6,
    ),
    Example(
        "dense-embedding",
        """
        import torch
        from torch import nn

        table = nn.Embedding(5, 2, sparse=True)
        optimizer = torch.optim.Adam(table.parameters(), lr=0.1)
        table(torch.tensor([1])).sum().backward()
        optimizer.step()
        """,
        lambda names: not names["table"].weight.grad.is_sparse,
    ),
    Example(
        "rename-submodule",
        """
        from torch import nn

        net = nn.Sequential()
        for i in range(2):
            net.add_module(f"block.{i}", nn.Linear(2, 2))
        """,
        lambda names: [name for name, _ in names["net"].named_children()] == ["block_0", "block_1"],
    ),
    Example(
        "force-start-method",
        """
        import torch.multiprocessing as mp

        mp.set_start_method("fork", force=True)
        mp.set_start_method("fork")
        method = mp.get_start_method()
        """,
        lambda names: names["method"] == "fork",
    ),
    Example(
        "no-reentrant-checkpoint",
        """
        import torch
        from torch.utils.checkpoint import checkpoint

        x = torch.ones(2, requires_grad=True)
        y = checkpoint(torch.exp, x, use_reentrant=True).sum()
        (grad,) = torch.autograd.grad(y, x)
        """,
        lambda names: names["grad"].shape == (2,),
    ),
    Example(
        "pack-unsorted",
        """
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence

        x = torch.rand(3, 5, 2)
        packed = pack_padded_sequence(x, torch.tensor([2, 5, 3]), batch_first=True)
        """,
        lambda names: names["packed"].batch_sizes.tolist() == [3, 3, 2, 1, 1],
    ),
    Example(
        "unpack-output",
        """
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        rnn = nn.GRU(2, 4, batch_first=True)
        packed = pack_padded_sequence(torch.rand(2, 5, 2), torch.tensor([5, 3]), batch_first=True)
        out, h = rnn(packed)
        last = out.shape
        """,
        lambda names: names["last"] == (2, 5, 4),
    ),
    Example(
        "one-bag",
        """
        import torch
        from torch import nn

        bag = nn.EmbeddingBag(10, 3)
        out = bag(torch.tensor([1, 5, 2]))
        """,
        lambda names: names["out"].shape == (1, 3),
    ),
    Example(
        "time-first",
        """
        import torch
        from torch import nn

        scores = torch.randn(4, 30, 8).log_softmax(-1)  # batch, time, letters
        words = torch.randint(1, 8, (4, 5))
        loss = nn.CTCLoss()(scores, words, torch.full((4,), 30), torch.full((4,), 5))
        """,
        lambda names: torch.isfinite(names["loss"]),
    ),
    Example(
        "as-many-as-there-are",
        """
        import torch

        logits = torch.rand(4, 3)
        best = logits.topk(5, dim=1).indices
        """,
        lambda names: names["best"].shape == (4, 3),
    ),
    Example(
        "clone-expanded",
        """
        import torch

        grid = torch.zeros(1, 3).expand(2, 3)
        grid += torch.arange(6.0).reshape(2, 3)
        """,
        lambda names: names["grid"].flatten().tolist() == list(range(6)),
    ),
    Example(
        "gradient-for-each-input",
        """
        import torch

        class Times(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, factor):
                ctx.factor = factor
                return x * factor

            @staticmethod
            def backward(ctx, grad):
                return grad * ctx.factor

        x = torch.ones(2, requires_grad=True)
        Times.apply(x, 3.0).sum().backward()
        """,
        lambda names: names["x"].grad.tolist() == [3.0, 3.0],
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.check()
