"""Classes and attributes, mended."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learner import Example

EXAMPLES = [
    Example(
        "insert-super-init",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, width):
                self.fc = nn.Linear(width, 2)

            def forward(self, x):
                return self.fc(x)

        net = Net(4)
        """,
        lambda names: len(list(names["net"].parameters())) == 2,
    ),
    Example(
        "insert-super-init",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super(OldNet, self).__init__()
                self.fc = nn.Linear(4, 2)

        class OldNet(nn.Module):
            pass

        net = Net()
        """,
        lambda names: len(list(names["net"].parameters())) == 2,
    ),
    Example(
        "insert-super-init",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                self.fc = nn.Linear(4, 2)
                super().__init__()  # too late

        net = Net()
        """,
        lambda names: len(list(names["net"].parameters())) == 2,
    ),
    Example(
        "outdent-forward",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

                def forward(self, x):
                    # one layer
                    return self.fc(x)

        out = Net()(torch.rand(3, 4))
        """,
        lambda names: names["out"].shape == (3, 2),
    ),
    Example(
        "spell-method",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def foward(self, x):
                return self.fc(x)

        out = Net()(torch.rand(3, 4))
        """,
        lambda names: names["out"].shape == (3, 2),
    ),
    Example(
        "spell-method",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def _init_(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

        out = Net()(torch.rand(3, 4))
        """,
        lambda names: names["out"].shape == (3, 2),
    ),
    Example(
        "return-from-forward",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                x = torch.relu(self.fc(x))

        out = Net()(torch.rand(3, 4))
        loss = out.mean()
        """,
        lambda names: names["out"].shape == (3, 2),
        slug="grad-is-none",
    ),
    Example(
        "return-from-forward",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 3)

            def forward(self, x):
                logits = self.fc(x)

        loss = nn.CrossEntropyLoss()(Net()(torch.rand(5, 4)), torch.zeros(5, dtype=torch.long))
        """,
        lambda names: names["loss"].requires_grad,
    ),
    Example(
        "register-layers",
        """
        import torch
        from torch import nn

        class Stack(nn.Module):
            def __init__(self, sizes):
                super().__init__()
                self.layers = []
                for n_in, n_out in zip(sizes, sizes[1:]):
                    self.layers.append(nn.Linear(n_in, n_out))

            def forward(self, x):
                for layer in self.layers:
                    x = torch.relu(layer(x))
                return x

        model = Stack([4, 8, 2])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        """,
        lambda names: len(list(names["model"].parameters())) == 4,
    ),
    Example(
        "register-layers",
        """
        import torch
        from torch import nn

        class Heads(nn.Module):
            def __init__(self):
                super().__init__()
                self.heads = {"a": nn.Linear(3, 1), "b": nn.Linear(3, 2)}

            def forward(self, x):
                return [head(x) for head in self.heads.values()]

        model = Heads()
        optimizer = torch.optim.Adam(model.parameters())
        """,
        lambda names: len(list(names["model"].parameters())) == 4,
    ),
    Example(
        "make-instance",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

        model = Net
        out = model(torch.rand(3, 4))
        """,
        lambda names: names["out"].shape == (3, 2),
    ),
    Example(
        "make-instance",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

        out = Net(torch.rand(3, 4))
        """,
        lambda names: names["out"].shape == (3, 2),
    ),
    Example(
        "add-self",
        """
        import torch
        from torch import nn

        class Twice(nn.Module):
            def forward(x):
                return 2 * x

        out = Twice()(torch.ones(2))
        """,
        lambda names: names["out"].tolist() == [2.0, 2.0],
    ),
    Example(
        "wrap-parameter",
        """
        import torch
        from torch import nn

        layer = nn.Linear(2, 2, bias=False)
        layer.weight = torch.eye(2)
        out = layer(torch.ones(1, 2))
        """,
        lambda names: names["out"].tolist() == [[1.0, 1.0]] and names["layer"].weight.requires_grad,
    ),
    Example(
        "unpack-sequential",
        """
        import torch
        from torch import nn

        layers = []
        layers += [nn.Linear(4, 4), nn.ReLU()]
        layers += [nn.Linear(4, 1)]
        model = nn.Sequential(layers)
        out = model(torch.rand(2, 4))
        """,
        lambda names: len(names["model"]) == 3,
    ),
    Example(
        "call-function",
        """
        import torch
        from torch import nn

        model = nn.Linear(2, 1)
        loss = ((model(torch.rand(3, 2)) - 1) ** 2).mean
        loss.backward()
        """,
        lambda names: names["model"].weight.grad is not None,
    ),
    Example(
        "rename-result",
        """
        import torch
        from torch import nn

        loss = nn.MSELoss()
        model = nn.Linear(2, 1)
        for step in range(3):
            loss = loss(model(torch.rand(4, 2)), torch.zeros(4, 1))
            loss.backward()
        """,
        lambda names: names["loss"].requires_grad and names["step"] == 2,
    ),
    Example(
        "spell-attribute",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear1 = nn.Linear(4, 3)
                self.linear2 = nn.Linear(3, 2)

            def forward(self, x):
                return self.linear2(self.liner1(x))

        out = Net()(torch.rand(5, 4))
        """,
        lambda names: names["out"].shape == (5, 2),
    ),
    Example(
        "spell-attribute",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 1))
        optimizer = torch.optim.SGD(model.paramters(), lr=0.1)
        """,
        lambda names: len(names["optimizer"].param_groups[0]["params"]) == 2,
    ),
    Example(
        "spell-definition",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)
                self.fc1 = nn.Linear(4, 3)
                self.fc3 = nn.Linear(3, 2)

            def forward(self, x):
                return self.drop(self.fc2(self.fc1(x)))

        model = Net()
        out = model(torch.rand(5, 4))
        """,
        lambda names: hasattr(names["model"], "fc2"),
        first=False,
    ),
    Example(
        "through-wrapper",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)

        model = nn.DataParallel(Net())
        weight = model.fc.weight
        """,
        lambda names: names["weight"].shape == (2, 4),
    ),
    Example(
        "spell-torch-name",
        """
        import torch

        x = torch.rand(2, 3)
        y = torch.sofmax(x, dim=1)
        """,
        lambda names: torch.allclose(names["y"].sum(1), torch.ones(2)),
    ),
    Example(
        "spell-torch-name",
        """
        import torch
        from torch import nn

        layer = nn.linear(3, 2)
        """,
        lambda names: names["layer"].in_features == 3,
    ),
    Example(
        "spell-torch-name",
        """
        import torch

        x = torch.rand(3)
        y = x.unsqueze(0)
        """,
        lambda names: names["y"].shape == (1, 3),
    ),
    Example(
        "spell-torch-name",
        """
        import torch

        w = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.adam([w], lr=0.1)
        """,
        lambda names: type(names["optimizer"]).__name__ == "Adam",
    ),
    Example(
        "tensor-method-for-numpy",
        """
        import torch

        x = torch.tensor([1, 2])
        y = x.astype("float32")
        """,
        lambda names: names["y"].dtype == torch.float32,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example.check()
