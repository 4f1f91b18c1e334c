"""What a run prints is heard while it runs, and a run that nobody wants any more ends."""

from __future__ import annotations

import asyncio
import os
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
    code = """
        import multiprocessing, time
        for _ in range(3):
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)).start()
        print("up")
        time.sleep(60)
        """
    async with Pool(size=1) as pool:
        listener = Listener()
        run = asyncio.create_task(pool.run(Snippet(code=textwrap.dedent(code)), watch=listener))
        await listener.until(lambda text: text == "up\n")
        family = max(_cells(pool), key=len)
        assert len(family) == 6  # the guard, the snippet, its keeper, three processes of its own
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not any(process.is_running() for process in family)


async def test_when_a_result_comes_nothing_of_the_snippet_runs_any_more() -> None:
    code = """
        import os, signal, sys, time
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.fork() == 0:
                    time.sleep(60)
                os._exit(0)
        time.sleep(0.5)
        print("up")
        time.sleep(1)
        """
    async with Pool(size=1) as pool:
        listener = Listener()
        run = asyncio.create_task(pool.run(Snippet(code=textwrap.dedent(code)), watch=listener))
        await listener.until(lambda text: text == "up\n")
        _guard, *family = max(_cells(pool), key=len)
        assert len(family) >= 5
        result = await run
        left = [process for process in family if process.is_running()]
        assert len(left) <= 1  # the keeper, while the kernel frees its memory
        assert not any(_executes(process) for process in left)
        assert (result.status, result.stdout) == (Status.OK, "up\n")


def _executes(process: psutil.Process) -> bool:
    """Whether a process is there and not on its way out (PF_EXITING in proc(5)'s flags)."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not int(stat.rpartition(")")[2].split()[6]) & 0x4


def _cells(pool: Pool) -> list[list[psutil.Process]]:
    """The processes of each cell that the zygote of `pool` has."""
    assert pool._parent is not None
    (zygote,) = psutil.Process(pool._parent._process.pid).children()
    return [[guard, *guard.children(recursive=True)] for guard in zygote.children()]


async def test_a_run_cancelled_again_and_again_leaves_nothing_either() -> None:
    descriptors, groups = _open_descriptors(), _control_groups()
    async with Pool(size=1) as pool:
        listener = Listener()
        code = "import time\nprint('up')\ntime.sleep(60)"
        run = asyncio.create_task(pool.run(Snippet(code=code), watch=listener))
        await listener.until(lambda text: text == "up\n")
        while not run.done():
            run.cancel()
            await asyncio.sleep(0)
        assert run.cancelled()
        assert (await pool.run(Snippet(code="2"))).stdout == "2\n"
    assert _open_descriptors() <= descriptors
    assert _control_groups() == groups


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _control_groups() -> set[str]:
    own = f"traceback-tutor-{os.getpid()}-"
    return {str(p) for p in Path("/sys/fs/cgroup").rglob(f"{own}*/*") if p.is_dir()}
