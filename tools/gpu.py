"""Runs the tests that need a GPU, and writes what it measures on it into docs/gpu.md: `make gpu`.

Ends with 0 where there is no GPU, saying so: nothing is wrong then, and nothing is proven either.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sandbox.gpu_pool import GpuPool, gpu_pool  # noqa: E402
from sandbox.options import GpuOptions  # noqa: E402
from sandbox.protocol import Device, Limits, Snippet, Tier  # noqa: E402
from sandbox.runner import DeviceUnavailable, SandboxError  # noqa: E402

TESTS = ("tests/sandbox/test_gpu_runs.py", "tests/attacks/test_gpu_attacks.py")
PAGE = ROOT / "docs/gpu.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
LIMITS = Limits(wall_s=20.0)
_TRIVIAL = "import torch\nprint(int(torch.ones(8, device='cuda').sum()))"
_ENDLESS = "import torch\ntorch.cuda._sleep(1 << 62)\ntorch.cuda.synchronize()"
_DEADLINE_S = 2.0


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    begun = time.monotonic()
    await act()
    return time.monotonic() - begun


async def _run(pool: GpuPool, code: str, wall_s: float = LIMITS.wall_s) -> None:
    limits = LIMITS.model_copy(update={"wall_s": wall_s})
    await pool.run(Snippet(code=code, device=Device.CUDA), limits)


async def _settled(pool: GpuPool) -> None:
    """Long enough for the next cell to be armed."""
    await _run(pool, _TRIVIAL)
    await asyncio.sleep(15)


async def _cold() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _TRIVIAL, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def measure(pool: GpuPool) -> list[tuple[str, float]]:
    """What is measured, in seconds."""
    figures = [
        ("Start: zygote, self-test of the walls, first cell armed", await _timed(pool.start))
    ]
    try:
        ready = []
        for _ in range(5):
            await _settled(pool)
            ready.append(await _timed(lambda: _run(pool, _TRIVIAL)))
        follow = [await _timed(lambda: _run(pool, _TRIVIAL)) for _ in range(10)]
        cold = [await _timed(_cold) for _ in range(5)]
        await _settled(pool)
        endless = await _timed(lambda: _run(pool, _ENDLESS, _DEADLINE_S)) - _DEADLINE_S
        back = await _timed(lambda: _run(pool, _TRIVIAL))
    finally:
        await pool.close()
    return [
        *figures,
        ("Trivial snippet on an armed cell, median of 5", statistics.median(ready)),
        ("The same right behind another run, median of 10", statistics.median(follow)),
        ("The same in a cold interpreter, median of 5", statistics.median(cold)),
        ("Endless kernel: from its deadline to the result", endless),
        ("… and from there to the next run's result", back),
    ]


def table(gpu: str, figures: list[tuple[str, float]]) -> str:
    """The figures in Markdown."""
    rows = "\n".join(f"| {what} | {seconds:.3f} |" for what, seconds in figures)
    return f"On {gpu}:\n\n| what | seconds |\n|---|--:|\n{rows}"


def write(text: str) -> None:
    """Put `text` between the marks of the page."""
    page = PAGE.read_text("utf-8")
    front, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{front}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


def main() -> None:
    """Test and measure; ends with 1 when a test failed or the GPU was taken out of service."""
    options = GpuOptions(minimum_tier=Tier.FLOOR)
    try:
        pool = asyncio.run(gpu_pool(options, LIMITS, recycle=2000))
    except DeviceUnavailable as reason:
        print(f"The GPU tests are skipped, nothing is measured: {reason}")
        return
    tested = subprocess.run([sys.executable, "-m", "pytest", "-v", *TESTS], cwd=ROOT, check=False)
    try:
        figures = asyncio.run(measure(pool))
    except SandboxError as problem:
        sys.exit(f"Nothing is measured: {problem}")
    write(table(pool.why.rpartition("; ")[2], figures))
    sys.exit(tested.returncode)


if __name__ == "__main__":
    main()
