"""Attacks by taking more than one's share."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psutil
import pytest
from attacker import Target, attack, says, serves

from sandbox import kernel
from sandbox.protocol import Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("E")]


_KEEPERS_CODE = {
    "x86_64": ("0f05", "ebfe"),  # syscall; jmp to itself
    "aarch64": ("010000d4", "00000014"),  # svc 0; b to itself
}
_KNOWN_CODE = pytest.mark.skipif(
    kernel.MACHINE not in _KEEPERS_CODE, reason="machine code of x86-64 and ARM64"
)


def _descendants() -> int:
    return len(psutil.Process().children(recursive=True))


@pytest.mark.outcome("D")
async def test_a_fork_bomb_is_contained(strong: Target) -> None:
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


@pytest.mark.outcome("C", floor="D")
async def test_processes_are_denied_where_no_namespace_holds_them(any_tier: Target) -> None:
    code = (
        "pid = attempt(os.fork)\nif pid == 0: os._exit(0)\nprint(pid if pid == 'EPERM' else 'ok')"
    )
    expected = {"strong": "ok", "floor": "EPERM"}[any_tier.tier]
    assert await says(any_tier, code) == [expected]


async def test_a_thread_bomb_is_an_ordinary_error(any_tier: Target) -> None:
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
    zombies = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                zombies.append(child)
    return zombies


@pytest.mark.outcome("C")
async def test_daemons_are_gone_with_the_result(strong: Target) -> None:
    before = _descendants()
    code = """
        for _ in range(5):
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
                ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG: none
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(60)
        print("left behind")
    """
    assert await says(strong, code) == ["left behind"]
    await _are_gone(before)


@_KNOWN_CODE
@pytest.mark.outcome("C")
async def test_a_process_with_the_same_memory_is_gone_with_the_result(strong: Target) -> None:
    before = _descendants()
    code = """
        libc = ctypes.CDLL(None)
        (keeper,) = {int(n) for n in os.listdir("/proc") if n.isdecimal()} - {1, os.getpid()}
        # What it would do if it ever left the kernel: run in a circle.
        call, circle = bytes.fromhex("%s"), bytes.fromhex("%s")
        pause = ctypes.cast(libc.pause, ctypes.c_void_p).value
        print(libc.mprotect(ctypes.c_void_p(pause & ~4095), 8192, 7))
        for place in range(pause, pause + 256):
            if ctypes.string_at(place, len(call)) == call:
                ctypes.memmove(place, circle, len(circle))

        def wait_for(letter):
            while open(f"/proc/{keeper}/stat").read().rpartition(") ")[2][0] != letter:
                time.sleep(0.001)

        os.kill(keeper, signal.SIGSTOP)
        wait_for("T")
        os.kill(keeper, signal.SIGCONT)
        wait_for("R")
        print("runs")
    """
    code %= _KEEPERS_CODE[kernel.MACHINE]
    assert await says(strong, code) == ["0", "runs"]
    await _are_gone(before)


async def _are_gone(before: int) -> None:
    """As many processes as before, but for cells that were armed meanwhile."""
    async with asyncio.timeout(10):  # a guard against hanging: they are gone with the result
        # Two cells of three processes each.
        while _descendants() > before + 6 or _zombies():  # noqa: ASYNC110 - a look from outside
            await asyncio.sleep(0.01)


@pytest.mark.outcome("K")
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
async def test_the_time_limit_ends_everything(any_tier: Target, code: str) -> None:
    begun = time.monotonic()
    result = await attack(any_tier, code, wall_s=0.6)
    assert result.status is Status.TIMEOUT, result
    assert time.monotonic() - begun < 60  # not the ten minutes that the run wanted


@pytest.mark.outcome("K")
async def test_a_memory_bomb_is_an_error_or_killed(any_tier: Target) -> None:
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


@pytest.mark.outcome("K")
async def test_many_processes_memory_is_counted_together(strong: Target) -> None:
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


async def test_mapping_more_than_there_is_is_an_error(any_tier: Target) -> None:
    code = """
        import mmap
        print(attempt(mmap.mmap, -1, 1 << 45, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    """
    assert await says(any_tier, code) == ["ENOMEM"]


async def test_a_full_disk_is_an_ordinary_error(strong: Target) -> None:
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


@pytest.mark.outcome("E", floor="K")
async def test_disk_is_bounded_where_no_tmpfs_does_it(any_tier: Target) -> None:
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


async def test_one_huge_file_is_an_ordinary_error(any_tier: Target) -> None:
    code = """
        def huge():
            with open("sparse", "wb") as file:
                file.truncate(1 << 40)
        print(attempt(huge))
    """
    assert await says(any_tier, code) == ["EFBIG"]


async def test_inodes_run_out_as_an_ordinary_error(strong: Target) -> None:
    code = """
        def fill():
            for number in range(10**6):
                os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
        print(attempt(fill))
    """
    assert await says(strong, code) == ["ENOSPC"]


async def test_descriptors_run_out_as_an_ordinary_error(any_tier: Target) -> None:
    code = """
        kept = []
        def take():
            while True:
                kept.append(open("/dev/null"))
        print(attempt(take), 100 < len(kept) < 2000)
        for file in kept: file.close()
    """
    assert await says(any_tier, code) == ["EMFILE True"]


@pytest.mark.outcome("K")
async def test_a_crash_leaves_no_core_file(any_tier: Target) -> None:
    code = """
        import resource
        print(resource.getrlimit(resource.RLIMIT_CORE), flush=True)
        ctypes.string_at(0)
    """
    result = await attack(any_tier, code)
    assert (result.status, result.signal) == (Status.SIGNAL, 11)
    assert result.stdout == "(0, 0)\n"
    assert result.files == ()


@pytest.mark.outcome("D")
async def test_limits_cannot_be_raised_again(any_tier: Target) -> None:
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


@pytest.mark.outcome("K")
async def test_the_clock_of_the_parent_decides(any_tier: Target) -> None:
    """Clocks that the snippet stops, and alarms that it takes away, are its own."""
    code = """
        time.time = time.monotonic = time.perf_counter = lambda: 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.alarm(0)
        while True:
            pass
    """
    result = await attack(any_tier, code, wall_s=0.6)
    assert result.status is Status.TIMEOUT, result
    assert result.wall_s >= 0.6


@pytest.mark.outcome("C")
async def test_a_run_that_takes_every_processor_leaves_siblings_their_share(
    any_tier: Target,
) -> None:
    hog = """
        import threading
        os.sched_setaffinity(0, {0})
        os.sched_setaffinity(0, range(os.cpu_count()))
        import torch
        torch.set_num_threads(8)
        a = torch.ones(500, 500)
        for _ in range(8):
            threading.Thread(target=lambda: [a @ a for _ in range(10**9)], daemon=True).start()
        while True: pass
    """
    hogs = [asyncio.create_task(attack(any_tier, hog, wall_s=1.5))]
    await asyncio.sleep(0.3)
    assert await serves(any_tier)
    assert {(await task).status for task in hogs} == {Status.TIMEOUT}


async def test_pending_signals_and_timers_run_out(any_tier: Target) -> None:
    code = """
        made = 0
        timer = ctypes.c_int()
        while True:
            answer = call(NUMBER["timer_create"], 1, None, ctypes.byref(timer))
            if answer != 0:
                break
            made += 1
        print(answer, made <= 1024)
    """
    assert await says(any_tier, code) == ["EAGAIN True"]


async def test_memory_cannot_be_locked_without_end(any_tier: Target) -> None:
    code = """
        import mmap
        page = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        print(call(NUMBER["mlock"], at, 64 << 20), call(NUMBER["mlockall"], 3))
    """
    (answer,) = await says(any_tier, code)
    assert answer in ("ENOMEM EPERM", "EPERM EPERM", "EAGAIN EPERM")


@pytest.mark.outcome("C")
async def test_memory_in_pipes_and_sockets_is_bounded(any_tier: Target) -> None:
    """It belongs to the kernel, and no limit on a process's own memory counts it."""
    code = """
        import fcntl
        filled = 0
        kept = []
        try:
            while True:
                one, other = socket.socketpair()
                kept += [one, other]
                one.setblocking(False)
                for option in (socket.SO_SNDBUF, 32):  # and SO_SNDBUFFORCE
                    refused = attempt(one.setsockopt, socket.SOL_SOCKET, option, 1 << 30)
                    assert refused == "EPERM"
                read, write = os.pipe()
                os.set_blocking(write, False)
                attempt(fcntl.fcntl, write, 1031, 1 << 20)
                for send in (one.send, lambda data: os.write(write, data)):
                    while isinstance(sent := attempt(send, b"x" * 65536), int):
                        filled += sent
        except OSError as problem:
            print(errno.errorcode[problem.errno], filled < 384 << 20)
    """
    result = await attack(any_tier, code)
    assert result.stdout in ("EMFILE True\n", "") or "MemoryError" in result.stderr
    assert result.status in (Status.OK, Status.OOM, Status.ERROR), result
    assert await serves(any_tier)


async def test_a_gap_of_one_terabyte_takes_no_room(any_tier: Target) -> None:
    code = """
        def sparse():
            with open("sparse", "wb") as file:
                file.seek(1 << 40)
                file.write(b"x")
        print(attempt(sparse), attempt(lambda: os.posix_fallocate(os.open("f", 66), 0, 1 << 40)))
    """
    assert await says(any_tier, code) in (["EFBIG EFBIG"], ["EFBIG ENOSPC"])


async def test_folders_in_folders_end_at_the_longest_path(any_tier: Target) -> None:
    code = """
        path = "d"
        while not isinstance(answer := attempt(os.mkdir, path), str):
            path += "/d"
        print(answer)
    """
    result = await attack(any_tier, code)
    assert result.stdout == "ENAMETOOLONG\n" or "files took more" in result.detail, result
    assert await serves(any_tier)


@pytest.mark.outcome("C")
async def test_waiting_for_others_is_waiting_for_nobody(any_tier: Target) -> None:
    """A lock on a file that all runs see: a run may hold it, no part of the sandbox asks for it."""
    code = """
        import fcntl, torch
        file = open(torch.__file__)
        print(attempt(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB) in (None, "EAGAIN"))
        time.sleep(0.5)
    """
    holder = asyncio.create_task(says(any_tier, code))
    await asyncio.sleep(0.2)
    assert await says(any_tier, "import torch\nprint(int(torch.ones(2).sum()))") == ["2"]
    assert await holder == ["True"]
