"""`make bench`: speeds as ratios taken in one run, so that the machine's own pace cancels out."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_growth import growth
from bench_posts import posts
from bench_reporting import reporting
from rich.console import Console
from rich.table import Table

from knowledge.encoder import Encoder
from knowledge.entry import load_entries
from knowledge.post import parse
from knowledge.search import Searcher
from sandbox.pool import Pool
from sandbox.protocol import Snippet, Status

FIVE_STEPS = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(64, 20), torch.randint(0, 2, (64,))
for step in range(5):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(f"{loss.item():.4f}")
"""
ROUNDS = 7
TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 9, in <module>
    out = model(x)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x16384 and 512x10)
"""
SYMPTOM = "my loss stays at 2.30 in every epoch and the model predicts one class, what is wrong?"


def cold_run(script: Path) -> float:
    """Seconds that a fresh interpreter takes for the script."""
    started = time.perf_counter()
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    return time.perf_counter() - started


async def warm_run(pool: Pool) -> float:
    """Seconds from handing the snippet to the pool until its result is there."""
    started = time.perf_counter()
    result = await pool.run(Snippet(code=FIVE_STEPS))
    taken = time.perf_counter() - started
    if result.status is not Status.OK:
        sys.exit(f"the snippet did not end well: {result}")
    return taken


async def runs(table: Table) -> None:
    """Cold interpreter against warm pool, taken in turns."""
    cold: list[float] = []
    warm: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "snippet.py"
        script.write_text(FIVE_STEPS, encoding="utf-8")
        async with Pool() as pool:
            await warm_run(pool)
            for _ in range(ROUNDS):
                cold.append(await asyncio.to_thread(cold_run, script))
                warm.append(await warm_run(pool))
    slow, fast = statistics.median(cold), statistics.median(warm)
    table.add_row("five training steps: cold python", f"{slow * 1000:.0f} ms", "1")
    table.add_row(
        "five training steps: warm pool", f"{fast * 1000:.1f} ms", f"{slow / fast:.0f} x faster"
    )


def median_ms(searcher: Searcher, text: str) -> float:
    """Median milliseconds of parse and search, the first search left out."""
    taken = []
    for _ in range(30):
        started = time.perf_counter()
        searcher.search(parse(text))
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[1:])


def searches(table: Table) -> None:
    """A post that a signature decides against one that needs the encoder."""
    with tempfile.TemporaryDirectory() as folder:
        searcher = Searcher(load_entries(), encoder=Encoder(), cache=Path(folder))
        decided = median_ms(searcher, TRACEBACK)
        meant = median_ms(searcher, SYMPTOM)
    table.add_row("search: by meaning", f"{meant:.1f} ms", "1")
    table.add_row("search: by signature", f"{decided:.1f} ms", f"{meant / decided:.1f} x faster")


def main() -> None:
    """Print one table."""
    table = Table("what", "median", "ratio", title=f"{len(load_entries())} entries")
    asyncio.run(runs(table))
    asyncio.run(reporting(table))
    searches(table)
    console = Console()
    console.print(table)
    posts(console)
    growth(console)


if __name__ == "__main__":
    main()
