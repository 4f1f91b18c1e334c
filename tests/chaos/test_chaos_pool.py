"""Things go wrong around the embedded pool: every accepted run still ends in exactly one result."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import kernel, landlock
from sandbox.pool import Pool
from sandbox.protocol import Limits, Result, Snippet, Status
from sandbox.waiting import Asker, TooManyRuns, WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
LIMITS = Limits(wall_s=10.0, memory_mib=256, scratch_mib=8)


def _zygotes() -> Iterator[psutil.Process]:
    """The zygotes below this process, without the cells that they forked."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = process.parent()
            above = parent.cmdline() if parent else []
            if "sandbox.zygote" in process.cmdline() and "sandbox.zygote" not in above:
                yield process


async def _runs(pool: Pool, count: int, code: str) -> list[Result]:
    return await asyncio.gather(
        *(pool.run(Snippet(code=code.format(number=number))) for number in range(count))
    )


def _is_told(number: int, result: Result) -> bool:
    """Whether a run has the result that it earned, or a word that it was lost and why."""
    if result.status is Status.OK:
        return result.stdout == f"{number}\n"
    return result.status is Status.INTERNAL and result.detail != ""


async def test_a_zygote_killed_in_mid_run_costs_no_run_its_result() -> None:
    async with Pool(limits=LIMITS, concurrency=4, size=2) as pool:
        waiting = asyncio.create_task(
            _runs(pool, 40, "import time\ntime.sleep(0.1)\nprint({number})")
        )
        killed = 0
        for _ in range(3):
            await asyncio.sleep(0.4)
            for zygote in list(_zygotes()):
                zygote.kill()
                killed += 1
        results = await waiting
        assert killed >= 1
        assert len(results) == 40
        assert all(_is_told(number, result) for number, result in enumerate(results)), results
        assert (await pool.run(Snippet(code="1 + 1"))).stdout == "2\n"


async def test_a_zygote_killed_while_idle_costs_no_run_at_all() -> None:
    async with Pool(limits=LIMITS) as pool:
        for _ in range(3):
            await asyncio.sleep(0.3)
            for zygote in list(_zygotes()):
                zygote.kill()
                zygote.wait()
            results = await _runs(pool, 4, "print({number})")
            assert [result.stdout for result in results] == [f"{n}\n" for n in range(4)], results


async def test_a_zygote_that_stands_still_is_noticed_by_nobody_but_the_next_run() -> None:
    """Stopped, it forks no cells; continued, it goes on where it was."""
    async with Pool(limits=LIMITS, size=1, concurrency=1) as pool:
        (zygote,) = list(_zygotes())
        zygote.suspend()
        waiting = asyncio.create_task(_runs(pool, 3, "print({number})"))
        await asyncio.sleep(0.5)
        zygote.resume()
        results = await waiting
        assert [result.stdout for result in results] == ["0\n", "1\n", "2\n"], results


async def test_five_hundred_at_once_each_get_one_result_or_one_refusal_in_words() -> None:
    async with Pool(limits=LIMITS, concurrency=2) as pool:
        room = WaitingRoom(pool, at_once=2, waiting=200, per_user=1, waiting_per_user=3)
        ends: Counter[str] = Counter()
        told: list[str] = []

        async def ask(number: int) -> None:
            asker = Asker(group=f"group {number % 7}", user=f"user {number % 125}")
            try:
                async with room.turn(asker) as runner:
                    result = await runner.run(Snippet(code=f"print({number})"))
            except TooManyRuns as refused:
                ends["refused"] += 1
                told.append(str(refused))
            else:
                assert result.stdout == f"{number}\n", result
                ends["ran"] += 1

        await asyncio.gather(*(ask(number) for number in range(500)))
    assert ends["ran"] + ends["refused"] == 500
    assert ends["ran"] >= 200
    assert ends["refused"] >= 1
    assert all("requests waiting already, which is the limit. Try again" in each for each in told)


async def test_runs_that_nobody_waits_for_any_more_leave_nothing() -> None:
    """Half of a crowd goes away in the middle of waiting or running."""
    async with Pool(limits=LIMITS, concurrency=2) as pool:
        room = WaitingRoom(pool, at_once=2, waiting=100)

        async def ask(number: int) -> str:
            async with room.turn(Asker(user=str(number))) as runner:
                code = f"import time\ntime.sleep(0.05)\nprint({number})"
                return (await runner.run(Snippet(code=code))).stdout

        tasks = [asyncio.create_task(ask(number)) for number in range(40)]
        await asyncio.sleep(0.3)
        for task in tasks[::2]:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended[1::2] == [f"{number}\n" for number in range(1, 40, 2)]
        stayed = [one for one in ended[::2] if not isinstance(one, asyncio.CancelledError)]
        assert all(isinstance(one, str) for one in stayed)
        assert (await pool.run(Snippet(code="1"))).stdout == "1\n"
    assert list(_zygotes()) == []


# --- A full disk ----------------------------------------------------------------------------------

# In a mount namespace of its own, so that only this pool's /tmp and /dev/shm are full.
_FULL = """
import asyncio, json, os, pathlib, sys
from sandbox import kernel
kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
tiny = sys.argv[2]
kernel.mount("tiny", tiny, "tmpfs", 0, "size=64k,nr_inodes=40,mode=1777")
kernel.mount("tiny", "/dev/shm", "tmpfs", 0, "size=64k,mode=1777")
os.environ["TMPDIR"] = tiny
from sandbox.pool import Pool
from sandbox.protocol import Limits, Snippet, Tier

def fill():
    for place in (tiny, "/dev/shm"):
        try:
            with open(place + "/full", "wb") as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass
        try:
            for number in range(1000):
                pathlib.Path(place, str(number)).touch()
        except OSError:
            pass

def empty():
    for place in (tiny, "/dev/shm"):
        for path in pathlib.Path(place).iterdir():
            if path.is_file():
                path.unlink()

async def main():
    tier = Tier(sys.argv[1])
    limits = Limits(memory_mib=256, scratch_mib=8)
    told = {}
    async with Pool(limits=limits, minimum_tier=tier, maximum_tier=tier) as pool:
        fill()
        code = "open('own', 'w').write('x' * 5000)\\nprint('ran')"
        full = await asyncio.gather(*(pool.run(Snippet(code=code)) for _ in range(6)))
        told["full"] = [(r.status, r.stdout, r.detail, r.exception and r.exception.message)
                        for r in full]
        empty()
        after = await asyncio.gather(*(pool.run(Snippet(code=code)) for _ in range(3)))
        told["after"] = [r.stdout for r in after]
    told["left"] = [p.name for p in pathlib.Path(tiny).iterdir()]
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk to fill")
@pytest.mark.parametrize("tier", ["strong", "floor"])
async def test_a_full_disk_ends_every_run_in_words_and_is_over_when_there_is_room(
    tier: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if tier == "floor" and kernel.landlock_abi() < landlock.FLOOR_ABI:
        pytest.skip(f"the floor tier needs Landlock {landlock.FLOOR_ABI}")
    tiny = tmp_path_factory.mktemp("tiny")
    for folder in (tiny, *tiny.parents[:2]):
        folder.chmod(0o755)  # the floor's cells are nobody's
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(_FULL), tier, str(tiny)],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["full"]) == 6
    for status, stdout, detail, message in told["full"]:
        if tier == "strong":
            # Its cells have a file system of their own each.
            assert (status, stdout) == ("ok", "ran\n"), told
        else:
            in_words = "No space left" in (message or "") or "No space left" in detail
            assert status in ("error", "internal"), told
            assert in_words, told
    assert told["after"] == ["ran\n"] * 3
    assert told["left"] == []
