"""What walls cost: the pool against what people use instead, in one run, taken in turns."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet, Status

TRIVIAL = "print(1 + 1)"
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
ENDLESS = {
    "busy": "while True: pass",
    "asleep, deaf to signals": (
        "import signal, time\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True: time.sleep(60)"
    ),
    "with ten busy children": (
        "import os\nfor _ in range(10):\n    if os.fork() == 0: break\nwhile True: pass"
    ),
}
WARM_ROUNDS = 200
COLD_ROUNDS = 7
AT_ONCE = 300
PAUSE_S = 0.1
"""Between two runs that are to find an armed cell."""
DEADLINE_S = 1.0
IMAGE = os.environ.get("TUTOR_BENCH_IMAGE", "traceback-tutor:cpu")
_MIB = 1024 * 1024
# Runs what stands on its stdin, each time as a fresh main module, and tells the seconds it took.
_WARM = """\
import sys, time
code, count, threads = sys.stdin.read(), int(sys.argv[1]), int(sys.argv[2])
import torch
torch.set_num_threads(threads)
for _ in range(count):
    begun = time.perf_counter()
    exec(compile(code, "<snippet>", "exec"), {"__name__": "__main__"})
    print("took", time.perf_counter() - begun, flush=True)
"""


@dataclass(frozen=True)
class Times:
    """Seconds that the rounds of one way to run a snippet took."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """In seconds."""
        return sorted(self.seconds)[math.ceil(0.99 * len(self.seconds)) - 1]


Way = Callable[[str], Awaitable[None]]
"""Runs code to its end; exits the bench when that does not end well."""


def _in_pool(pool: Pool) -> Way:
    async def way(code: str) -> None:
        result = await pool.run(Snippet(code=code))
        if result.status is not Status.OK:
            sys.exit(f"a snippet of the bench did not end well: {result}")

    return way


def _by_command(*command: str) -> Way:
    async def way(code: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            code,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        _, words = await process.communicate()
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}: {words.decode(errors='replace')[-500:]}")

    return way


def _cold_ways() -> dict[str, Way | str]:
    """What starts an interpreter for each snippet; in words why not, where that is not here."""
    bubblewrap: Way | str = "not measured: bubblewrap is not installed"
    if program := shutil.which("bwrap"):
        walls = ("--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/")
        own = ("--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev")  # noqa: S108 - inside
        bubblewrap = _by_command(program, *walls, *own, sys.executable, "-c")
    return {
        "cold python, no walls": _by_command(sys.executable, "-c"),
        "bubblewrap, cold python": bubblewrap,
        "docker run": _docker(),
    }


def _docker() -> Way | str:
    engine = shutil.which("docker")
    if engine is None or subprocess.run([engine, "info"], capture_output=True).returncode:
        return "not measured: no container engine answers"
    if subprocess.run([engine, "image", "inspect", IMAGE], capture_output=True).returncode:
        return f"not measured: no image {IMAGE} (TUTOR_BENCH_IMAGE names another with torch)"
    python = os.environ.get("TUTOR_BENCH_PYTHON", "/opt/traceback-tutor/bin/python")
    walls = ("--rm", "--network", "none", "--cap-drop", "ALL", "--read-only")
    return _by_command(engine, "run", *walls, "--entrypoint", python, IMAGE, "-c")


async def _time(way: Way, code: str) -> float:
    begun = time.perf_counter()
    await way(code)
    return time.perf_counter() - begun


async def _already_warm(code: str, threads: int) -> Times:
    """The same code inside an interpreter that ran it before; that first time is left out."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WARM, str(COLD_ROUNDS + 1), str(threads)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    told, _ = await process.communicate(code.encode())
    taken = [float(line.split()[1]) for line in told.splitlines() if line.startswith(b"took ")]
    return Times(tuple(taken[1:]))


async def _side_by_side(pool: Pool, code: str, warm_rounds: int) -> dict[str, Times | str]:
    """The pool, then each cold way and the pool in turns."""
    walled = _in_pool(pool)
    await walled(code)
    taken: dict[str, list[float]] = {"the pool": []}
    for _ in range(warm_rounds):
        await asyncio.sleep(PAUSE_S)
        taken["the pool"].append(await _time(walled, code))
    missing: dict[str, Times | str] = {}
    for name, way in _cold_ways().items():
        if isinstance(way, str):
            missing[name] = way
            continue
        await _time(way, code)  # the files come from the disk once
        taken[name] = []
        for _ in range(COLD_ROUNDS):
            taken[name].append(await _time(way, code))
            await asyncio.sleep(PAUSE_S)
            taken["the pool"].append(await _time(walled, code))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()} | missing


def _compare(table: Table, what: str, taken: dict[str, Times | str]) -> None:
    """A row for each way that is not the pool."""
    pool = taken["the pool"]
    for name, times in taken.items():
        if isinstance(times, str):
            table.add_row(f"{what}: {name}", times, "", "")
        elif isinstance(pool, Times) and times is not pool:
            ratio = f"{times.median / pool.median:.1f} x as long"
            table.add_row(f"{what}: {name}", _ms(times.median), ratio, "")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


async def _trivial(table: Table, pool: Pool) -> None:
    taken = await _side_by_side(pool, TRIVIAL, WARM_ROUNDS)
    walled = taken["the pool"]
    if isinstance(walled, Times):
        what = "trivial snippet: the pool"
        table.add_row(f"{what}, p50", _ms(walled.median), "1", "at most 15 ms")
        table.add_row(f"{what}, p99", _ms(walled.p99), "", "at most 40 ms")
    _compare(table, "trivial snippet", taken)


async def _training(table: Table, pool: Pool) -> None:
    taken = await _side_by_side(pool, FIVE_STEPS, WARM_ROUNDS)
    bare = await _already_warm(FIVE_STEPS, Limits().threads)
    walled = taken["the pool"]
    if isinstance(walled, Times):
        most = 1.5 * bare.median + 0.015
        what, figure = "five training steps: the pool, p50", _ms(walled.median)
        table.add_row(what, figure, "1", f"at most {_ms(most)} (1.5 x warm + 15 ms)")
        ratio = f"{bare.median / walled.median:.2f} x as long"
        what = "five training steps: already warm interpreter, no walls"
        table.add_row(what, _ms(bare.median), ratio, "")
    _compare(table, "five training steps", taken)


async def _at_once(table: Table, pool: Pool) -> None:
    """Many trivial runs at once: how many a second, each in a cell of its own."""
    way = _in_pool(pool)
    begun = time.perf_counter()
    await asyncio.gather(*(way(TRIVIAL) for _ in range(AT_ONCE)))
    a_second = AT_ONCE / (time.perf_counter() - begun)
    table.add_row("trivial runs, fully walled", f"{a_second:.0f} a second", "", "at least 50")


async def _overshoot(table: Table, pool: Pool) -> None:
    """How long past its deadline a run's caller has to wait."""
    limits = Limits(wall_s=DEADLINE_S)
    for name, code in ENDLESS.items():
        over = []
        for _ in range(COLD_ROUNDS):
            begun = time.perf_counter()
            result = await pool.run(Snippet(code=code), limits)
            over.append(time.perf_counter() - begun - DEADLINE_S)
            if result.status is not Status.TIMEOUT:
                sys.exit(f"an endless snippet of the bench ended otherwise: {result}")
        what = f"past the deadline: {name}, longest of {COLD_ROUNDS}"
        table.add_row(what, _ms(max(over)), "", "at most 250 ms")


async def _idle_memory(table: Table, pool: Pool) -> None:
    """What an armed cell has for itself, its guard and the process of the snippet together."""
    await asyncio.sleep(1)
    below = psutil.Process().children(recursive=True)
    # The first in breadth is the zygote; its forks have its command line.
    zygote = next(p for p in below if any("sandbox.zygote" in part for part in p.cmdline()))
    # The keeper, below the process of the snippet, has the same memory as that one.
    cells = [[guard, *guard.children()] for guard in zygote.children()]
    private = [sum(_private_mib(process) for process in cell) for cell in cells]
    table.add_row(
        f"private memory of an idle armed cell, largest of {len(private)}",
        f"{max(private):.1f} MiB",
        "",
        "at most 10 MiB",
    )


def _private_mib(process: psutil.Process) -> float:
    memory = process.memory_full_info()
    return float(memory.uss) / _MIB


async def _measure(table: Table) -> None:
    async with Pool() as pool:
        await _trivial(table, pool)
        await _training(table, pool)
        await _at_once(table, pool)
        await _overshoot(table, pool)
        await _idle_memory(table, pool)


def sandbox(console: Console) -> None:
    """Print one table: figures, ratios against the pool, targets."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    title = f"the sandbox, {cores} processors, load {load:.1f} before"
    table = Table("what", "figure", "against the pool", "target", title=title)
    asyncio.run(_measure(table))
    console.print(table)


if __name__ == "__main__":
    sandbox(Console())
