"""Devices, workers and what Python cannot read, mended: the message is given where it takes a GPU,
other processes or another system to raise it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from learner import run

from bot.repair import Candidate, Fault, candidates

MISMATCH = (
    "RuntimeError: Expected all tensors to be on the same device, "
    "but found at least two devices, cuda:0 and cpu!"
)
NO_CUDA = "AssertionError: Torch not compiled with CUDA enabled"


@dataclass(frozen=True)
class Told:
    """A snippet with the message that it fails with elsewhere; `# here` marks the line."""

    rewrite: str
    slug: str
    message: str
    code: str
    right: Callable[[Mapping[str, Any]], object]
    """Given the names of the mended program, run on the CPU."""
    has: str = ""
    """What the mended code holds."""
    slots: Mapping[str, int | float | str] = field(default_factory=dict)

    def proposed(self) -> list[Candidate]:
        code = dedent(self.code).lstrip("\n")
        marked = [at for at, line in enumerate(code.split("\n"), 1) if "# here" in line]
        fault = Fault(self.slug, self.slots, self.message, marked[0] if marked else None)
        return [one for one in candidates(code, fault) if one.rewrite == self.rewrite]


TOLD = [
    Told(
        "guard-cuda",
        "cuda-not-available",
        NO_CUDA,
        """
        import torch
        from torch import nn

        device = torch.device("cuda:0")
        model = nn.Linear(4, 2).to(device)  # here
        x = torch.rand(3, 4).cuda()
        out = model(x)
        """,
        lambda names: names["device"].type == "cpu" and names["out"].shape == (3, 2),
        "is_available()",
    ),
    Told(
        "guard-cuda",
        "cuda-not-available",
        NO_CUDA,
        """
        from torch import nn

        model = nn.Linear(4, 2).cuda()  # here
        """,
        lambda names: names["model"].weight.device.type == "cpu",
        "import torch",
    ),
    Told(
        "guard-cuda",
        "cuda-invalid-device",
        "RuntimeError: Expected one of cpu, cuda device type at start of device string: gpu",
        """
        import torch

        x = torch.zeros(2, device="gpu")  # here
        """,
        lambda names: names["x"].device.type == "cpu",
    ),
    Told(
        "move-input",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = nn.Linear(4, 2).to(device)
        x = torch.rand(3, 4)
        out = model(x)  # here
        """,
        lambda names: names["out"].shape == (3, 2),
        "model(x.to(device))",
    ),
    Told(
        "move-input",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)

            def forward(self, x):
                return self.fc(x)  # here

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        net = Net().to(device)
        criterion = nn.CrossEntropyLoss()
        for x, y in [(torch.rand(3, 4), torch.tensor([0, 1, 1]))]:
            loss = criterion(net(x), y)
        """,
        lambda names: names["loss"].ndim == 0,
        "criterion(net(x.to(device)), y.to(device))",
    ),
    Told(
        "move-input",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        device = "cuda" if torch.cuda.is_available() else "cpu"
        out = nn.Linear(4, 1).to(device)(torch.rand(3, 4, device=device))
        y = torch.zeros(3, 1)
        loss = nn.functional.mse_loss(out, y)  # here
        """,
        lambda names: names["loss"].ndim == 0,
        "mse_loss(out, y.to(device))",
    ),
    Told(
        "move-model",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = nn.Linear(4, 2)
        out = model(torch.rand(3, 4, device=device))  # here
        """,
        lambda names: names["out"].shape == (3, 2),
        "nn.Linear(4, 2).to(device)",
    ),
    Told(
        "make-on-device",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                noise = torch.randn(3)
                return x + noise  # here

        out = Net()(torch.zeros(2, 3))
        """,
        lambda names: names["out"].shape == (2, 3),
        "torch.randn(3, device=x.device)",
    ),
    Told(
        "move-operands",
        "device-mismatch",
        MISMATCH,
        """
        import torch

        def scaled(x, factors):
            return x * factors  # here

        out = scaled(torch.ones(2), torch.ones(2))
        """,
        lambda names: names["out"].tolist() == [1.0, 1.0],
        "factors.to(x.device)",
    ),
    Told(
        "keep-moved",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        device = "cuda" if torch.cuda.is_available() else "cpu"
        x = torch.rand(3, 4)
        x.to(device)
        out = nn.Linear(4, 2).to(device)(x)  # here
        """,
        lambda names: names["out"].shape == (3, 2),
        "x = x.to(device)",
    ),
    Told(
        "register-buffer",
        "device-mismatch",
        MISMATCH,
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean = torch.zeros(3)

            def forward(self, x):
                return x - self.mean  # here

        net = Net()
        out = net(torch.ones(2, 3))
        """,
        lambda names: "mean" in dict(names["net"].named_buffers()),
    ),
    Told(
        "generator-on-device",
        "generator-device",
        "RuntimeError: Expected a 'cpu' device type for generator but found 'cuda'",
        """
        import torch

        generator = torch.Generator()
        order = torch.randperm(4, generator=generator)  # here
        """,
        lambda names: names["generator"].device.type == "cpu",
        'torch.Generator(device="cpu")',
        {"wanted": "cpu", "got": "cuda"},
    ),
    Told(
        "materialise-meta",
        "meta-tensor",
        "NotImplementedError: Cannot copy out of meta tensor; no data!",
        """
        from torch import nn

        model = nn.Linear(2, 1, device="meta")
        model = model.to("cpu")  # here
        """,
        lambda names: names["model"].weight.device.type == "cpu",
    ),
    Told(
        "float-for-mps",
        "mps-unsupported",
        "TypeError: Cannot convert a MPS Tensor to float64 dtype",
        """
        import torch

        device = "cpu"
        x = torch.zeros(2, dtype=torch.float64).to(device)  # here
        """,
        lambda names: names["x"].dtype == torch.float32,
    ),
    Told(
        "map-to-cpu",
        "load-cuda-on-cpu",
        "RuntimeError: Attempting to deserialize object on a CUDA device",
        """
        import torch

        torch.save({"w": torch.ones(2)}, "gpu.pt")
        state = torch.load("gpu.pt")  # here
        """,
        lambda names: names["state"]["w"].tolist() == [1.0, 1.0],
        'map_location="cpu"',
    ),
    Told(
        "bce-with-logits",
        "bce-autocast",
        "RuntimeError: torch.nn.BCELoss are unsafe to autocast",
        """
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        out = model(torch.ones(3, 2))
        loss = nn.BCELoss()(out, torch.ones(3, 1))  # here
        """,
        lambda names: len(names["model"]) == 1 and names["loss"].ndim == 0,
        "BCEWithLogitsLoss",
    ),
    Told(
        "single-process",
        "dataloader-worker-killed",
        "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed.",
        """
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(
            torch.arange(4), batch_size=2, num_workers=8, persistent_workers=True
        )
        seen = [batch.tolist() for batch in loader]  # here
        """,
        lambda names: names["loader"].num_workers == 0 and names["seen"] == [[0, 1], [2, 3]],
    ),
    Told(
        "main-guard",
        "main-guard-missing",
        "RuntimeError: An attempt has been made to start a new process before",
        '''
        """A script."""
        import torch
        from torch.utils.data import DataLoader

        def halved(x):
            return x / 2

        # the data
        loader = DataLoader(torch.arange(4), batch_size=2, num_workers=0)
        for batch in loader:  # here
            out = halved(batch)
        ''',
        lambda names: names["out"].tolist() == [1.0, 1.5],
        '# the data\nif __name__ == "__main__":',
    ),
    Told(
        "no-pinning",
        "pin-memory",
        "RuntimeError: cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned",
        """
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(torch.arange(4), batch_size=2, pin_memory=True)
        for batch in loader:  # here
            pass
        """,
        lambda names: not names["loader"].pin_memory,
    ),
    Told(
        "fewer-workers",
        "silent-dataloader-slow",
        "UserWarning: This DataLoader will create 64 worker processes in total.",
        """
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(torch.arange(4), batch_size=2, num_workers=64)
        """,
        lambda names: names["loader"].num_workers == 2,
        slots={"workers": 64, "cores": 2},
    ),
    Told(
        "halve-batch",
        "cuda-out-of-memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        """
        import torch
        from torch.utils.data import DataLoader

        size = 64
        loader = DataLoader(torch.arange(128), batch_size=size)
        """,
        lambda names: names["loader"].batch_size == 32,
    ),
    Told(
        "share-through-files",
        "too-many-open-files",
        "RuntimeError: received 0 items of ancdata",
        """
        import torch
        from torch.utils.data import DataLoader

        before = torch.multiprocessing.get_sharing_strategy()
        loader = DataLoader(torch.arange(4), num_workers=2)
        after = torch.multiprocessing.get_sharing_strategy()
        torch.multiprocessing.set_sharing_strategy(before)
        """,
        lambda names: names["after"] == "file_system",
    ),
    Told(
        "order-transforms",
        "transform-input-type",
        "TypeError: Input tensor should be a torch tensor. Got <class 'PIL.Image.Image'>.",
        """
        class Compose(list):
            pass

        def ToTensor():
            return "to tensor"

        def Normalize(mean, std):
            return "normalize"

        steps = Compose([Normalize(0.5, 0.5), ToTensor()])  # here
        """,
        lambda names: list(names["steps"]) == ["to tensor", "normalize"],
    ),
    Told(
        "add-colon",
        "python-syntax",
        "SyntaxError: expected ':'",
        """
        total = 0
        for i in range(3)  # here
            total += i
        """,
        lambda names: names["total"] == 3,
    ),
    Told(
        "close-bracket",
        "python-syntax",
        "SyntaxError: '(' was never closed",
        """
        import torch
        x = torch.zeros((2, 3)  # here
        y = x + 1
        """,
        lambda names: names["y"].shape == (2, 3),
    ),
    Told(
        "compare-with-two",
        "python-syntax",
        "SyntaxError: invalid syntax. Maybe you meant '==' or ':=' instead of '='?",
        """
        found = False
        x = 3
        if x = 3:  # here
            found = True
        """,
        lambda names: names["found"],
    ),
    Told(
        "spaces-for-tabs",
        "python-syntax",
        "TabError: inconsistent use of tabs and spaces in indentation",
        "def f(x):\n\ty = x\n        return y  # here\nout = f(2)\n",
        lambda names: names["out"] == 2,
    ),
    Told(
        "print-as-function",
        "python-syntax",
        "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?",
        """
        x = 3
        print "x is", x  # here
        """,
        lambda names: names["x"] == 3,
    ),
]


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.rewrite)
def test_an_edit_for_a_message_from_elsewhere_runs_here(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    proposed = told.proposed()
    assert proposed, "nothing proposed"

    ended = [(one, run(one.code)) for one in proposed]
    good = [
        one.code
        for one, done in ended
        if done.ended_well and told.right(done.names) and told.has in one.code
    ]
    assert good, [(one.code, done.told) for one, done in ended]
