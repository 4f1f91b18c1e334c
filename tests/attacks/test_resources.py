"""Attacks by taking more than one's share."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from attacker import attack, says

from sandbox.pool import Pool
from sandbox.protocol import Status

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _descendants() -> int:
    return len(psutil.Process().children(recursive=True))


async def test_a_fork_bomb_is_contained(strong: Pool) -> None:
    bomb = asyncio.create_task(
        attack(
            strong,
            """
            most = 0
            while True:
                try:
                    if os.fork() == 0:
                        continue
                except OSError:
                    pass
            """,
            wall_s=2.0,
        )
    )
    await asyncio.sleep(0.7)
    assert _descendants() < 200
    assert await says(strong, "print('sibling')") == ["sibling"]
    assert (await bomb).status is Status.TIMEOUT


async def test_processes_are_denied_where_no_namespace_holds_them(any_tier: Pool) -> None:
    code = (
        "pid = attempt(os.fork)\nif pid == 0: os._exit(0)\nprint(pid if pid == 'EPERM' else 'ok')"
    )
    expected = {"strong": "ok", "floor": "EPERM"}[any_tier.tier]
    assert await says(any_tier, code) == [expected]


async def test_a_thread_bomb_is_an_ordinary_error(any_tier: Pool) -> None:
    code = """
        import threading
        stop = threading.Event()
        count = 0
        try:
            while True:
                thread = threading.Thread(target=stop.wait, daemon=True)
                thread.start()
                count += 1
        except (RuntimeError, MemoryError) as problem:
            stop.set()
            print(type(problem).__name__, count < 2000)
    """
    assert await says(any_tier, code) == ["RuntimeError True"]


def _zombies() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() == psutil.STATUS_ZOMBIE]


async def test_daemons_are_gone_with_the_result(strong: Pool) -> None:
    before = _descendants()
    code = """
        for _ in range(5):
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(60)
        print("left behind")
    """
    assert await says(strong, code) == ["left behind"]
    async with asyncio.timeout(10):  # a guard against hanging: they are gone with the result
        # Up to two armed cells of two processes each may have been made meanwhile.
        while _descendants() > before + 4 or _zombies():  # noqa: ASYNC110 - a look from outside
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(600)",
        "while True: pass",
        "for n in {*range(1, 65)} - {9, 19, 32, 33}:\n    signal.signal(n, signal.SIG_IGN)\n"
        "time.sleep(600)",
        "libc.sleep(600)",
        "ctypes.PyDLL(None).sleep(600)",
        "sum(range(10**12))",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "import torch\na = torch.randn(3000, 3000)\nwhile True: a @ a",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    ],
    ids=["sleep", "loop", "ignores", "C", "holds GIL", "one C loop", "stopped", "torch", "regex"],
)
async def test_the_time_limit_ends_everything(any_tier: Pool, code: str) -> None:
    begun = time.monotonic()
    result = await attack(any_tier, code, wall_s=0.6)
    assert result.status is Status.TIMEOUT, result
    assert time.monotonic() - begun < 60  # not the ten minutes that the run wanted


async def test_a_memory_bomb_is_an_error_or_killed(any_tier: Pool) -> None:
    for code in (
        "x = bytearray(10**10)",
        "x = []\nwhile True: x.append('y' * 10**6)",
        "import torch\nx = [torch.ones(10**7) for _ in range(1000)]",
        "import mmap\nm = mmap.mmap(-1, 1 << 30)\nwhile True: m.write(b'x' * (1 << 20))",
    ):
        result = await attack(any_tier, code)
        assert result.status in (Status.ERROR, Status.OOM), (code, result)
        if result.exception is not None:
            assert result.exception.type in ("MemoryError", "RuntimeError")
        assert result.peak_mib < 384 + 150, (code, result.peak_mib)


async def test_many_processes_memory_is_counted_together(strong: Pool) -> None:
    code = """
        for _ in range(8):
            if os.fork() == 0:
                kept = bytearray(100 << 20)
                for i in range(0, len(kept), 4096):
                    kept[i] = 1
                time.sleep(8)
                os._exit(0)
        alive = 8
        while alive:
            _, status = os.wait()
            alive -= 1
            if os.WIFSIGNALED(status):
                os.kill(os.getpid(), signal.SIGKILL)
    """
    assert (await attack(strong, code)).status is Status.OOM


async def test_mapping_more_than_there_is_is_an_error(any_tier: Pool) -> None:
    code = """
        import mmap
        print(attempt(mmap.mmap, -1, 1 << 45, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    """
    assert await says(any_tier, code) == ["ENOMEM"]


async def test_a_full_disk_is_an_ordinary_error(strong: Pool) -> None:
    code = """
        import tempfile
        def fill(folder):
            with open(folder + "/big", "wb") as file:
                while True:
                    file.write(b"x" * (1 << 20))
        for folder in (".", tempfile.gettempdir(), "/dev/shm"):
            print(attempt(fill, folder))
    """
    assert await says(strong, code) == ["ENOSPC"] * 3


async def test_disk_is_bounded_where_no_tmpfs_does_it(any_tier: Pool) -> None:
    code = """
        import itertools
        for number in itertools.count():
            with open(f"{number}", "wb") as file:
                file.write(b"x" * (1 << 20))
            time.sleep(0.01)
    """
    result = await attack(any_tier, code)
    if any_tier.tier == "floor":
        assert result.status is Status.SIGNAL
        assert "8 MiB" in result.detail
    else:
        assert result.exception is not None
        assert "No space left" in result.exception.message


async def test_one_huge_file_is_an_ordinary_error(any_tier: Pool) -> None:
    code = """
        def huge():
            with open("sparse", "wb") as file:
                file.truncate(1 << 40)
        print(attempt(huge))
    """
    assert await says(any_tier, code) == ["EFBIG"]


async def test_inodes_run_out_as_an_ordinary_error(strong: Pool) -> None:
    code = """
        def fill():
            for number in range(10**6):
                os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
        print(attempt(fill))
    """
    assert await says(strong, code) == ["ENOSPC"]


async def test_descriptors_run_out_as_an_ordinary_error(any_tier: Pool) -> None:
    code = """
        kept = []
        def take():
            while True:
                kept.append(open("/dev/null"))
        print(attempt(take), 100 < len(kept) < 2000)
        for file in kept: file.close()
    """
    assert await says(any_tier, code) == ["EMFILE True"]


async def test_a_crash_leaves_no_core_file(any_tier: Pool) -> None:
    code = """
        import resource
        print(resource.getrlimit(resource.RLIMIT_CORE), flush=True)
        ctypes.string_at(0)
    """
    result = await attack(any_tier, code)
    assert (result.status, result.signal) == (Status.SIGNAL, 11)
    assert result.stdout == "(0, 0)\n"
    assert result.files == ()


async def test_limits_cannot_be_raised_again(any_tier: Pool) -> None:
    code = """
        import resource
        for kind in ("DATA", "FSIZE", "NOFILE", "CORE", "CPU"):
            number = getattr(resource, "RLIMIT_" + kind)
            try:
                resource.setrlimit(number, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                print("raised", kind)
            except (ValueError, OSError):
                pass
        print("done")
    """
    assert await says(any_tier, code) == ["done"]


def _left_folders() -> list[Path]:
    folders = Path(tempfile.gettempdir()).glob("tutor-cell-*")
    return [folder for folder in folders if any(folder.rglob("left"))]


async def test_nothing_is_left_on_the_hosts_disk(any_tier: Pool) -> None:
    await says(any_tier, "open('left', 'w').write('x')")
    assert _left_folders() == []
