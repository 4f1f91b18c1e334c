"""`make bench`: speeds as ratios taken in one run, so that the machine's own pace cancels out."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from bench_channel import channel
from bench_growth import growth
from bench_posts import posts
from bench_queue import queue
from bench_reporting import reporting
from bench_sandbox import sandbox
from rich.console import Console
from rich.table import Table

from knowledge.encoder import Encoder
from knowledge.entry import load_entries
from knowledge.post import parse
from knowledge.search import Searcher

TRACEBACK = """\
Traceback (most recent call last):
  File "train.py", line 9, in <module>
    out = model(x)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x16384 and 512x10)
"""
SYMPTOM = "my loss stays at 2.30 in every epoch and the model predicts one class, what is wrong?"


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
    asyncio.run(reporting(table))
    searches(table)
    queue(table)
    console = Console()
    console.print(table)
    sandbox(console)
    posts(console)
    growth(console)
    channel(console)


if __name__ == "__main__":
    main()
