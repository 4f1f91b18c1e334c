"""Convolutions, pooling and normalisation layers, mended."""

from __future__ import annotations

import pytest
from learner import Example

EXAMPLES = [
    Example(
        "permute-channels",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 8, 3)

            def forward(self, x):
                return self.conv(x)

        photos = torch.rand(4, 32, 32, 3)  # height, width, channels
        out = Net()(photos)
        """,
        lambda names: names["out"].shape == (4, 8, 30, 30),
    ),
    Example(
        "permute-channels",
        """
        import torch

        conv = torch.nn.Conv1d(5, 7, 3)
        out = conv(torch.randn(2, 100, 5))
        """,
        lambda names: names["out"].shape == (2, 7, 98),
    ),
    Example(
        "add-channel-dim",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        images = torch.rand(12, 28, 28)
        labels = torch.randint(10, (12,))
        loader = DataLoader(TensorDataset(images, labels), batch_size=4)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 26 * 26, 10))
        for xb, yb in loader:
            out = model(xb)
        """,
        lambda names: names["out"].shape == (4, 10),
    ),
    Example(
        "set-in-channels",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.features = nn.Sequential(
                    nn.Conv2d(3, 16, 3),
                    nn.ReLU(),
                    nn.Conv2d(32, 64, 3),  # the layer before gives 16
                )

            def forward(self, x):
                return self.features(x).mean(dim=(2, 3))

        net = Net()
        out = net(torch.randn(2, 3, 16, 16))
        """,
        lambda names: names["net"].features[2].in_channels == 16 and names["out"].shape == (2, 64),
    ),
    Example(
        "set-in-channels",
        """
        import torch
        from torch import nn

        conv = nn.Conv2d(in_channels=3, out_channels=8, kernel_size=3)
        out = conv(torch.rand(5, 1, 28, 28))
        """,
        lambda names: names["conv"].in_channels == 1 and names["out"].shape == (5, 8, 26, 26),
    ),
    Example(
        "repeat-grey-channel",
        """
        import torch
        from torch import nn

        def backbone():
            return nn.Sequential(*[nn.Conv2d(c, 8, 3) for c in (3,)])

        model = backbone()
        grey = torch.rand(5, 1, 28, 28)
        out = model(grey)
        """,
        lambda names: names["out"].shape == (5, 8, 26, 26),
        first=False,
    ),
    Example(
        "add-batch-dim",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        model.eval()
        with torch.no_grad():
            photo = torch.rand(3, 32, 32)
            out = model(photo)
        """,
        lambda names: names["out"].shape == (1, 8, 30, 30),
    ),
    Example(
        "add-batch-dim",
        """
        import torch
        from torch import nn

        conv = nn.Conv2d(1, 4, 5)
        digit = torch.rand(28, 28)
        out = conv(digit)
        """,
        lambda names: names["out"].shape == (1, 4, 24, 24),
    ),
    Example(
        "add-batch-dim",
        """
        import torch
        import torch.nn.functional as F

        picture = torch.rand(3, 20, 20)
        larger = F.interpolate(picture, size=(40, 40), mode="bilinear", align_corners=False)
        """,
        lambda names: names["larger"].shape == (1, 3, 40, 40),
    ),
    Example(
        "view-as-image",
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(1, 2, 3)

            def forward(self, x):
                return self.conv(x)

        out = Net()(torch.rand(6, 784))
        """,
        lambda names: names["out"].shape == (6, 2, 26, 26),
    ),
    Example(
        "squeeze-extra-dim",
        """
        import torch
        from torch import nn

        conv = nn.Conv2d(3, 2, 3)
        batch = torch.rand(4, 1, 3, 8, 8)
        out = conv(batch)
        """,
        lambda names: names["out"].shape == (4, 2, 6, 6),
    ),
    Example(
        "swap-norm-layer",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm1d(6), nn.ReLU())
        out = model(torch.rand(2, 3, 8, 8))
        """,
        lambda names: type(names["model"][1]).__name__ == "BatchNorm2d",
    ),
    Example(
        "swap-norm-layer",
        """
        import torch
        from torch import nn

        class Head(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(8, 5)
                self.norm = nn.BatchNorm2d(5)

            def forward(self, x):
                return self.norm(self.fc(x))

        head = Head()
        out = head(torch.rand(4, 8))
        """,
        lambda names: type(names["head"].norm).__name__ == "BatchNorm1d",
    ),
    Example(
        "set-num-features",
        """
        import torch
        from torch import nn

        width = 32
        model = nn.Sequential(nn.Linear(10, 24), nn.BatchNorm1d(width), nn.ReLU())
        out = model(torch.rand(4, 10))
        """,
        lambda names: names["model"][1].num_features == 24,
    ),
    Example(
        "pad-small-input",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.MaxPool2d(4), nn.MaxPool2d(4), nn.Conv2d(3, 4, kernel_size=5))
        out = model(torch.rand(1, 3, 32, 32))
        """,
        lambda names: names["out"].shape == (1, 4, 2, 2),
    ),
    Example(
        "pool-ceil-mode",
        """
        import torch
        from torch import nn

        pool = nn.MaxPool2d(2)
        x = torch.rand(1, 3, 1, 1)
        out = pool(x)
        """,
        lambda names: names["out"].shape == (1, 3, 1, 1),
    ),
    Example(
        "set-padding",
        """
        import torch
        from torch import nn

        down = nn.Conv2d(3, 8, 3, stride=2, padding="same")
        out = down(torch.rand(1, 3, 16, 16))
        """,
        lambda names: names["out"].shape == (1, 8, 8, 8),
    ),
    Example(
        "set-padding",
        """
        import torch
        from torch import nn

        pool = nn.MaxPool2d(2, padding=2)
        out = pool(torch.rand(1, 3, 16, 16))
        """,
        lambda names: names["out"].shape == (1, 3, 9, 9),
    ),
    Example(
        "trim-conv-sizes",
        """
        import torch
        from torch import nn

        conv = nn.Conv1d(2, 4, 3, stride=(2, 2))
        out = conv(torch.rand(1, 2, 9))
        """,
        lambda names: names["out"].shape == (1, 4, 4),
    ),
    Example(
        "set-num-groups",
        """
        import torch
        from torch import nn

        channels = 24
        norm = nn.GroupNorm(16, channels)
        out = norm(torch.rand(2, channels, 4, 4))
        """,
        lambda names: names["norm"].num_groups == 12,
    ),
    Example(
        "set-num-groups",
        """
        import torch
        from torch import nn

        conv = nn.Conv2d(6, 9, 3, groups=6)
        out = conv(torch.rand(1, 6, 5, 5))
        """,
        lambda names: names["conv"].groups == 3,
    ),
    Example(
        "pad-by-replicating",
        """
        import torch
        from torch.nn import functional as F

        row = torch.arange(4.0).reshape(1, 1, 4)
        out = F.pad(row, (5, 5), mode="reflect")
        """,
        lambda names: names["out"].shape == (1, 1, 14) and names["out"][0, 0, -1] == 3,
    ),
    Example(
        "norm-over-channels",
        """
        import torch
        from torch import nn

        norm = nn.LayerNorm(12)
        out = norm(torch.rand(2, 12, 5, 5))
        """,
        lambda names: type(names["norm"]).__name__ == "GroupNorm",
    ),
    Example(
        "set-normalized-shape",
        """
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.norm = nn.LayerNorm(width)

            def forward(self, x):
                return self.norm(x)

        block = Block(64)
        out = block(torch.rand(2, 7, 48))
        """,
        lambda names: tuple(names["block"].norm.normalized_shape) == (48,),
    ),
    Example(
        "match-skip-size",
        """
        import torch
        from torch import nn
        import torch.nn.functional as F

        class UNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.down = nn.MaxPool2d(2)
                self.up = nn.Upsample(scale_factor=2)

            def forward(self, x):
                y = self.up(self.down(x))
                return torch.cat([x, y], dim=1)

        out = UNet()(torch.rand(1, 4, 25, 25))
        """,
        lambda names: names["out"].shape == (1, 8, 25, 25),
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rewrite)
def test_the_first_edit_that_runs_computes_what_was_meant(example: Example) -> None:
    example.check()
