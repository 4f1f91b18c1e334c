"""What a run prints is heard while it runs, and a run that nobody wants any more ends."""

from __future__ import annotations

import asyncio
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sandbox.pool import Pool
from sandbox.protocol import Result, Snippet, Status
from sandbox.runner import Progress
from sandbox.stream import Live

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Listener:
    """Keeps what it was told, and when."""

    def __init__(self) -> None:
        self.heard: list[Progress] = []
        self.at: list[float] = []
        self.news = asyncio.Event()

    def __call__(self, progress: Progress) -> None:
        self.heard.append(progress)
        self.at.append(time.monotonic())
        self.news.set()

    async def until(self, holds: Callable[[str], bool]) -> None:
        """Wait until something was told for which `holds`."""
        async with asyncio.timeout(20):
            while not any(holds(each.stdout) for each in self.heard):
                self.news.clear()
                await self.news.wait()


async def watched(pool: Pool, code: str) -> tuple[Result, Listener]:
    listener = Listener()
    result = await pool.run(Snippet(code=textwrap.dedent(code)), watch=listener)
    return result, listener


async def test_what_is_printed_is_heard_before_the_run_has_ended(pool: Pool) -> None:
    listener = Listener()
    code = "import time\nprint('epoch 1')\ntime.sleep(60)"
    run = asyncio.create_task(pool.run(Snippet(code=code), watch=listener))
    await listener.until(lambda text: text == "epoch 1\n")
    assert not run.done()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_a_watcher_hears_that_the_run_has_begun_and_no_place_in_a_line(pool: Pool) -> None:
    result, listener = await watched(pool, "import time\ntime.sleep(0.6)\nprint('end')")
    assert result.stdout == "end\n"
    assert listener.heard[0] == Progress(0, running=True)
    assert all((each.ahead, each.running) == (0, True) for each in listener.heard)


async def test_a_fast_printer_is_heard_a_few_times_only_and_each_time_with_news(
    pool: Pool,
) -> None:
    code = """
        import time
        end = time.monotonic() + 1.2
        n = 0
        while time.monotonic() < end:
            print(n)
            n += 1
            time.sleep(0.002)
        """
    result, listener = await watched(pool, code)
    texts = [each.stdout for each in listener.heard]
    assert result.status is Status.OK
    assert len(texts) >= 3
    assert len(set(texts)) == len(texts)
    gaps = [later - sooner for sooner, later in zip(listener.at, listener.at[1:], strict=False)]
    assert min(gaps) > 0.2


async def test_silence_is_not_told(pool: Pool) -> None:
    _, listener = await watched(pool, "import time\nprint('once')\ntime.sleep(1.2)")
    assert [each.stdout for each in listener.heard] == ["", "once\n"]


async def test_only_the_end_of_much_output_is_told(pool: Pool) -> None:
    _, listener = await watched(pool, "import time\nprint('a' * 9000 + 'end')\ntime.sleep(0.8)")
    assert listener.heard[-1].stdout == "a" * 3996 + "end\n"


async def test_half_a_character_is_told_when_it_is_whole(pool: Pool) -> None:
    code = """
        import os, time
        whole = "損失".encode()
        os.write(1, whole[:4])
        time.sleep(0.8)
        os.write(1, whole[4:])
        time.sleep(0.8)
        """
    _, listener = await watched(pool, code)
    assert [each.stdout for each in listener.heard] == ["", "損", "損失"]


async def test_nothing_is_told_after_the_result(pool: Pool) -> None:
    _, listener = await watched(pool, "print('quick')")
    told = len(listener.heard)
    await asyncio.sleep(0.5)
    assert len(listener.heard) == told


async def test_a_watcher_that_fails_does_not_stop_the_reading() -> None:
    heard: list[str] = []

    def failing(progress: Progress) -> None:
        heard.append(progress.stdout)
        raise ValueError("no channel any more")

    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))
    try:
        live = Live(failing)
        live.hear(b"a")
        await asyncio.sleep(0.05)
        live.hear(b"b")
        await asyncio.sleep(0.4)
        live.close()
    finally:
        loop.set_exception_handler(None)
    assert heard == ["a", "ab"]
    assert [str(each) for each in complaints] == ["no channel any more"] * 2


async def test_when_a_cancelled_run_comes_back_nothing_of_it_is_left() -> None:
    async with Pool(size=1) as pool:
        await pool.run(Snippet(code="1"))
        listener = Listener()
        code = """
            import multiprocessing, time
            for _ in range(3):
                multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
            print("up")
            time.sleep(60)
            """
        run = asyncio.create_task(pool.run(Snippet(code=textwrap.dedent(code)), watch=listener))
        before = _guards()
        await listener.until(lambda text: text == "up\n")
        mine = [pid for guard in before for pid in _family(guard)]
        assert len(mine) >= 5
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        gone = [guard for guard in before if not psutil.pid_exists(guard)]
        assert len(gone) == 1
        left = {pid for pid in mine if psutil.pid_exists(pid)}
        assert left <= {pid for guard in before for pid in _family(guard)}


async def test_a_run_cancelled_twice_leaves_nothing_either() -> None:
    fds = _open_descriptors()
    async with Pool(size=1) as pool:
        listener = Listener()
        code = "import time\nprint('up')\ntime.sleep(60)"
        run = asyncio.create_task(pool.run(Snippet(code=code), watch=listener))
        await listener.until(lambda text: text == "up\n")
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (await pool.run(Snippet(code="2"))).stdout == "2\n"
    assert _open_descriptors() <= fds


def _guards() -> set[int]:
    """The processes below the zygotes of this process: one for each cell."""
    zygotes = [
        process
        for process in psutil.Process().children(recursive=True)
        if any("sandbox.zygote" in part for part in process.cmdline())
    ]
    known = {process.pid for process in zygotes}
    return {p.pid for p in zygotes if p.ppid() in known and _is_guard(p, known)}


def _is_guard(process: psutil.Process, zygotes: set[int]) -> bool:
    parent = psutil.Process(process.ppid()).ppid()
    return parent not in zygotes


def _family(pid: int) -> list[int]:
    try:
        process = psutil.Process(pid)
        return [pid, *(each.pid for each in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
