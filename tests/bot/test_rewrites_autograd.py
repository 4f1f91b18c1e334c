"""Backward, in-place operations and graphs that live too long, mended."""

from __future__ import annotations

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "mean-before-backward",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        criterion = nn.L1Loss(reduction="none")
        loss = criterion(model(torch.rand(4, 2)), torch.rand(4, 1))
        loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "keep-loss-tensor",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        loss = ((model(torch.rand(4, 2)) - 1) ** 2).mean().item()
        loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "keep-loss-tensor",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        loss = model(torch.rand(4, 2)).mean()
        loss = torch.tensor(loss.item())
        loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "require-grad-of-leaf",
        """
        import torch

        w = torch.zeros(3)
        x = torch.ones(3)
        loss = ((w * x).sum() - 1) ** 2
        loss.backward()
        w = w - 0.1 * w.grad
        """,
        lambda names: torch.allclose(names["w"], torch.full((3,), 0.2)),
    ),
    Example(
        "leave-no-grad",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with torch.no_grad():
            # forward
            out = model(torch.ones(4, 2))
        loss = (out**2).mean()
        loss.backward()
        optimizer.step()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "drop-detach",
        """
        import torch
        from torch import nn

        encoder = nn.Linear(2, 3)
        features = encoder(torch.rand(4, 2)).detach()
        loss = features.square().mean()
        loss.backward()
        """,
        lambda names: names["encoder"].weight.grad is not None,
    ),
    Example(
        "out-of-place",
        """
        import torch

        x = torch.ones(3, requires_grad=True)
        y = torch.exp(x)
        y *= 2
        y.sum().backward()
        """,
        lambda names: torch.allclose(names["x"].grad, 2 * torch.exp(torch.ones(3))),
    ),
    Example(
        "out-of-place",
        """
        import torch

        x = torch.ones(3, requires_grad=True)
        y = torch.sigmoid(x)
        y.add_(1)
        y.sum().backward()
        """,
        lambda names: names["x"].grad is not None and names["y"][0] > 1.5,
    ),
    Example(
        "out-of-place",
        """
        import torch

        x = torch.ones(2, 2, requires_grad=True)
        top, bottom = (x * 3).unbind(0)
        top += 1
        (top * bottom).sum().backward()
        """,
        lambda names: names["x"].grad is not None,
    ),
    Example(
        "not-inplace",
        """
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.act = nn.ReLU(inplace=True)

            def forward(self, x):
                h = torch.sigmoid(self.fc(x))
                return self.act(h) + h

        block = Block()
        block(torch.rand(2, 4)).sum().backward()
        """,
        lambda names: names["block"].fc.weight.grad is not None,
    ),
    Example(
        "step-after-backward",
        """
        import torch
        from torch import nn

        first, second = nn.Linear(3, 3), nn.Linear(3, 1)
        optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
        out = second(torch.tanh(first(torch.rand(5, 3))))
        one, two = out.mean(), (out**2).mean()
        one.backward(retain_graph=True)
        optimizer.step()
        two.backward()
        """,
        lambda names: names["first"].weight.grad is not None,
    ),
    Example(
        "update-without-grad",
        """
        import torch

        w = torch.tensor([1.0, 2.0], requires_grad=True)
        for step in range(3):
            loss = (w**2).sum()
            loss.backward()
            w -= 0.1 * w.grad  # one step of descent
            w.grad.zero_()
        """,
        lambda names: torch.allclose(names["w"].detach(), torch.tensor([0.512, 1.024])),
    ),
    Example(
        "no-grad-for-inference-mode",
        """
        import torch
        from torch import nn

        body, head = nn.Linear(3, 2), nn.Linear(2, 1)
        with torch.inference_mode():
            features = body(torch.rand(4, 3))
        loss = head(features).mean()
        loss.backward()
        """,
        lambda names: names["head"].weight.grad is not None and names["body"].weight.grad is None,
    ),
    Example(
        "detach-for-numpy",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        predictions = model(torch.rand(5, 2)).squeeze().numpy()
        """,
        lambda names: names["predictions"].shape == (5,),
    ),
    Example(
        "detach-for-numpy",
        """
        import numpy as np
        import torch
        from torch import nn

        out = nn.Linear(2, 3)(torch.rand(5, 2))
        best = np.argmax(out, axis=1)
        """,
        lambda names: names["best"].shape == (5,),
    ),
    Example(
        "leaf-of-result",
        """
        import torch

        w = torch.randn(4, requires_grad=True) * 0.01
        optimizer = torch.optim.SGD([w], lr=0.1)
        (w**2).sum().backward()
        optimizer.step()
        """,
        lambda names: names["w"].is_leaf and names["w"].abs().max() < 0.1,
    ),
    Example(
        "detach-result",
        """
        import torch
        from torch import nn

        body = nn.Linear(2, 2)
        features = body(torch.rand(3, 2))
        features.requires_grad = False
        """,
        lambda names: not names["features"].requires_grad,
    ),
    Example(
        "clear-gradient",
        """
        import torch

        w = torch.ones(2, requires_grad=True)
        for step in range(2):
            w.grad.zero_()
            loss = (3 * w).sum()
            loss.backward()
        """,
        lambda names: names["w"].grad.tolist() == [3.0, 3.0],
        first=False,
    ),
    Example(
        "retain-grad",
        """
        import torch

        x = torch.ones(2, requires_grad=True)
        middle = x * 2
        (middle**2).sum().backward()
        size = middle.grad.norm()
        """,
        lambda names: names["middle"].grad.tolist() == [4.0, 4.0],
    ),
    Example(
        "allow-unused",
        """
        import torch

        a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        grads = torch.autograd.grad((a * 2).sum(), (a, b))
        """,
        lambda names: names["grads"][0].tolist() == [2.0, 2.0] and names["grads"][1] is None,
    ),
    Example(
        "static-function",
        """
        import torch

        class Twice(torch.autograd.Function):
            def forward(self, x):
                return x * 2

            def backward(self, grad):
                return grad * 2

        x = torch.ones(2, requires_grad=True)
        Twice()(x).sum().backward()
        """,
        lambda names: names["x"].grad.tolist() == [2.0, 2.0],
    ),
    Example(
        "detach-state",
        """
        import torch
        from torch import nn

        rnn = nn.LSTM(3, 4)
        head = nn.Linear(4, 1)
        optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1)
        state = (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
        for chunk in torch.rand(3, 5, 2, 3):
            out, state = rnn(chunk, state)
            loss = head(out).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
        lambda names: names["state"][0].shape == (1, 2, 4),
    ),
    Example(
        "detach-state",
        """
        import torch
        from torch import nn

        cell = nn.GRUCell(3, 4)
        h = torch.zeros(2, 4)
        for step in range(3):
            h = cell(torch.rand(2, 3), h)
            loss = h.sum()
            loss.backward()
        """,
        lambda names: names["cell"].weight_hh.grad is not None,
    ),
    Example(
        "compute-in-loop",
        """
        import torch
        from torch import nn

        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x, y = torch.rand(8, 3), torch.zeros(8, 1)
        prediction = model(x)
        loss = nn.functional.mse_loss(prediction, y)
        first = loss.item()
        for epoch in range(20):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
        lambda names: names["loss"].item() < 0.5,
    ),
    Example(
        "sum-losses",
        """
        import torch
        from torch import nn

        model = nn.Linear(3, 2)
        hidden = torch.tanh(model(torch.rand(4, 3)))
        one = hidden[:, 0].mean()
        two = hidden[:, 1].mean()
        one.backward()
        two.backward()
        """,
        lambda names: names["model"].weight.grad.abs().sum(1).min() > 0,
    ),
    Example(
        "detach-for-generator",
        """
        import torch
        from torch import nn

        generator, judge = nn.Linear(2, 3), nn.Linear(3, 1)
        fake = generator(torch.rand(4, 2))
        judge_loss = judge(fake).mean()
        judge_loss.backward()
        generator_loss = -judge(fake).mean()
        generator_loss.backward()
        """,
        lambda names: names["generator"].weight.grad is not None,
    ),
    Example(
        "detach-kept",
        """
        import copy
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 2)

            def forward(self, x):
                self.features = torch.relu(self.fc(x))
                return self.features.sum()

        net = Net()
        net(torch.rand(3, 2)).backward()
        best = copy.deepcopy(net)
        """,
        lambda names: names["net"].fc.weight.grad is not None,
    ),
    Example(
        "detach-kept",
        """
        import copy
        import torch

        w = torch.ones(3, requires_grad=True)
        y = w * 2
        kept = copy.deepcopy(y)
        """,
        lambda names: names["kept"].tolist() == [2.0] * 3,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
