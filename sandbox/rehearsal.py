"""A first training step, done before any snippet's: what it loads and touches is then in place.

In the zygote it loads what stays lazy until then. In a cell it makes the cell's own copies of the
pages that a training writes to: a thousand faults, half of what a small training takes there.
"""

from __future__ import annotations

import ast

_CODE = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
x, y = torch.randn(4, 8), torch.randint(0, 2, (4,))
for kind in (torch.optim.SGD, torch.optim.Adam):
    optimizer = kind(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    if ON_PROCESSORS_ONLY:
        torch.manual_seed(0)
        loss.backward()
    else:
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    f"{loss.item():.4f}"
"""


def rehearse() -> None:
    """Run a small training in this process, on one thread, and forget it.

    On one thread because a process with more cannot be forked any more, by the zygote or by a
    snippet. It uses the random numbers of this process: seed them afterwards.

    A torch that is built for a GPU does no backward pass here: its first one counts the devices,
    which wakes the driver up, and keeps the figure for all forks (start_device_threads in
    torch/csrc/autograd/engine.cpp, device_count in c10/cuda/CUDAFunctions.cpp). Nor does it seed:
    that would note a seeding of the GPU, too, for its first use in a fork.
    """
    import torch

    names = {"ON_PROCESSORS_ONLY": torch.accelerator.current_accelerator() is None}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    exec(compile(ast.parse(_CODE), "<rehearsal>", "exec", dont_inherit=True), names)  # noqa: S102
    torch.set_num_threads(threads)
