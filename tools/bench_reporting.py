"""What it costs a passing snippet that its failure would be reported in full."""

from __future__ import annotations

import asyncio
import sys

from rich.table import Table

from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet, Status

ROUNDS = 7
AT_MOST = 1.1
_SETUP = """\
import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
"""
_SMALL_LAYERS = """\
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss()
x, y = torch.randn(16, 8), torch.randint(0, 2, (16,))
for step in range(1500):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
"""
_FORWARD_ONLY = """\
model = nn.Sequential(*(each for _ in range(6) for each in (nn.Linear(4, 4), nn.ReLU())))
x = torch.randn(2, 4)
with torch.no_grad():
    for _ in range(6000):
        model(x)
"""
_OTHER_SHAPES = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.head = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    def forward(self, ids):
        out, _ = self.lstm(self.embed(ids))
        return self.head(out[:, -1])

model = Net()
optimizer = torch.optim.Adam(model.parameters())
for step in range(300):
    ids = torch.randint(0, 100, (8, 3 + step % 150))
    loss = nn.functional.cross_entropy(model(ids), torch.zeros(8, dtype=torch.long))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
_PICTURES = """\
from torch.utils.data import DataLoader, TensorDataset

model = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Linear(8 * 13 * 13, 10),
)
optimizer = torch.optim.Adam(model.parameters())
data = TensorDataset(torch.randn(512, 1, 28, 28), torch.randint(0, 10, (512,)))
for epoch in range(3):
    for x, y in DataLoader(data, batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
"""
PROGRAMS = {
    "pictures from a DataLoader": _SETUP + _PICTURES,
    "small layers, SGD": _SETUP + _SMALL_LAYERS,
    "another length in each batch": _SETUP + _OTHER_SHAPES,
    "twelve tiny layers, forward only": _SETUP + _FORWARD_ONLY,
}


async def _run(pool: Pool, code: str) -> tuple[float, float]:
    """Seconds of CPU time and of wall time that the run took, as its parent saw them."""
    result = await pool.run(Snippet(code=code))
    if result.status is not Status.OK:
        sys.exit(f"a program of the bench did not end well: {result}")
    return result.cpu_s, result.wall_s


async def reporting(table: Table) -> None:
    """With what a failing line saw against without, in turns; of each the fastest round.

    The fastest, because other work on the machine only ever makes a run slower; the ratio is one of
    CPU time, because of two pools without scenes that repeats within 3 %, wall time within 7 % only
    (on two busy cores). The programs run on one thread, so that both mean the same.
    """
    limits = Limits(wall_s=60.0)
    async with Pool(limits=limits) as told, Pool(limits=limits, scenes=False) as bare:
        for name, code in PROGRAMS.items():
            on, off = [], []
            for _ in range(ROUNDS):
                off.append(await _run(bare, code))
                on.append(await _run(told, code))
            cpu, wall = (min(each[i] for each in on) / min(each[i] for each in off) for i in (0, 1))
            for what, times, ratio in (
                ("nothing told", off, "1"),
                ("scenes told", on, f"{cpu:.2f} x (at most {AT_MOST}), wall {wall:.2f} x"),
            ):
                table.add_row(f"{name}: {what}", f"{min(times)[0] * 1000:.0f} ms of CPU", ratio)


if __name__ == "__main__":
    from rich.console import Console

    alone = Table("what", "fastest", "ratio")
    asyncio.run(reporting(alone))
    Console().print(alone)
