"""Many runs, cut runs, dead zygotes, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from sandbox.parent import Parent
from sandbox.pool import Pool
from sandbox.protocol import Device, Limits, Result, Snippet, Status, Tier
from sandbox.runner import DeviceUnavailable, SandboxError

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def run(pool: Pool, code: str, **limits: float) -> Result:
    changed = pool.limits.model_copy(update=limits)
    return await pool.run(Snippet(code=textwrap.dedent(code)), changed)


async def test_cuda_is_refused_in_words_where_there_is_none(pool: Pool) -> None:
    with pytest.raises(DeviceUnavailable, match="--device cpu"):
        await pool.run(Snippet(code="1", device=Device.CUDA))


async def test_two_hundred_runs_at_once_all_come_back_and_leave_nothing(pool: Pool) -> None:
    async with asyncio.timeout(60):
        while len(pool._armed) < 2:  # noqa: ASYNC110 - of the shared pool, and none of this test's
            await asyncio.sleep(0.01)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    fds = _open_descriptors()
    folders = _cgroup_folders()
    async with Pool(concurrency=2) as pool:
        code = "import torch\nopen('left.txt', 'w').write('x')\nprint(int(torch.arange({}).sum()))"
        results = await asyncio.gather(
            *(pool.run(Snippet(code=code.format(n))) for n in range(200))
        )
    assert [r.status for r in results] == [Status.OK] * 200
    assert [int(r.stdout) for r in results] == [n * (n - 1) // 2 for n in range(200)]
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before
    assert _open_descriptors() <= fds
    assert _cgroup_folders() == folders


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _cgroup_folders() -> set[str]:
    own = f"traceback-tutor-{os.getpid()}-"
    return {str(p) for p in Path("/sys/fs/cgroup").rglob(f"{own}*/*") if p.is_dir()}


async def test_runs_wait_their_turn_in_order_of_arrival() -> None:
    async with Pool(concurrency=1) as pool:
        ended: list[int] = []

        async def one(number: int) -> None:
            await pool.run(Snippet(code="pass"))
            ended.append(number)

        await asyncio.gather(*(one(number) for number in range(6)))
    assert ended == list(range(6))


async def test_a_dead_zygote_costs_one_run_at_most_and_is_replaced() -> None:
    async with Pool() as pool:
        long_run = asyncio.create_task(pool.run(Snippet(code="import time\ntime.sleep(30)")))
        await asyncio.sleep(0.5)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself with the first
                if any("sandbox.zygote" in part for part in process.cmdline()):
                    process.kill()
        async with asyncio.timeout(10):
            lost = await long_run
        assert (lost.status, lost.detail) == (
            Status.INTERNAL,
            "The sandbox lost this run; it is not the snippet's fault. Try again.",
        )
        assert (await pool.run(Snippet(code="1 + 1"))).stdout == "2\n"


async def test_a_zygote_is_replaced_after_its_share_of_cells_without_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Pool(recycle=4, size=1, concurrency=1) as pool:
        first, warm = pool._parent, asyncio.Event()
        assert first is not None
        start = Parent.start

        async def start_later(tier: Tier) -> Parent:
            await warm.wait()
            return await start(tier)

        monkeypatch.setattr(Parent, "start", start_later)
        for number in range(8):
            assert (await pool.run(Snippet(code=str(number)))).stdout == f"{number}\n"
        assert pool._parent is first
        warm.set()
        async with asyncio.timeout(60):
            while first.alive:
                assert (await pool.run(Snippet(code="'next'"))).stdout == "'next'\n"
                await asyncio.sleep(0.2)
        assert pool._parent is not first


async def test_a_pool_that_closes_while_a_zygote_is_replaced_leaves_neither() -> None:
    before = set(psutil.Process().children(recursive=True))
    async with Pool(recycle=1) as pool:
        await pool.run(Snippet(code="1"))
        await pool._current_parent()
        await asyncio.sleep(0.2)
        assert pool._succession is not None
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_close_ends_runs_that_are_under_way() -> None:
    pool = Pool()
    await pool.start()
    task = asyncio.create_task(pool.run(Snippet(code="import time\ntime.sleep(60)")))
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    await pool.close()
    assert (await task).status is Status.INTERNAL
    assert time.monotonic() - begun < 30  # not the minute that the run wanted
    with pytest.raises(SandboxError, match="not started"):
        await pool.run(Snippet(code="1"))


async def test_a_killed_bot_takes_every_process_with_it(tmp_path: Path) -> None:
    script = tmp_path / "bot.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio
            from sandbox.pool import Pool
            from sandbox.protocol import Snippet

            async def main():
                async with Pool() as pool:
                    run = asyncio.create_task(pool.run(Snippet(code="import time; time.sleep(60)")))
                    await asyncio.sleep(0.5)
                    print("running", flush=True)
                    await run

            asyncio.run(main())
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    bot = await asyncio.create_subprocess_exec(
        sys.executable, script, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert bot.stdout is not None
    assert await bot.stdout.readline() == b"running\n"
    family = psutil.Process(bot.pid).children(recursive=True)
    assert len(family) >= 4
    bot.kill()
    await bot.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 5)
    assert alive == []


async def test_a_tier_that_cannot_be_reached_is_refused_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sandbox.kernel.landlock_abi", lambda: 0)
    with pytest.raises(SandboxError, match=r"cannot reach tier strong .*Landlock.*Run as root"):
        await Pool().start()


async def test_walls_that_do_not_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.probe._ATTEMPTS", "print('[\"mount\"]')")
    with pytest.raises(SandboxError, match="the walls do not hold, a snippet could: mount"):
        await Pool().start()


async def test_limits_other_than_the_pools_hold_too(pool: Pool) -> None:
    code = "import torch\nprint(torch.get_num_threads())\nopen('f', 'wb').write(b'x' * (3 << 20))"
    limits = Limits(threads=1, scratch_mib=2, memory_mib=256)
    result = await pool.run(Snippet(code=code), limits)
    assert result.stdout == "1\n"
    assert result.exception is not None
    assert "No space left on device" in result.exception.message


_FORKS = """
import os, time
while True:
    if os.fork() == 0:
        time.sleep(60)
"""
_THREADS = """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("open('big', 'wb').write(bytes(3 << 20))", "The files of a run may take 2 MiB together."),
        ("import torch\ntorch.empty(1 << 30)", "A run may use 256 MiB of memory."),
        ("bytes(1 << 30)", "A run may use 256 MiB of memory."),
        (_FORKS, "A run may have 12 processes and threads together."),
        (_THREADS, "A run may have 12 processes and threads together."),
    ],
)
async def test_an_error_that_a_limit_caused_names_the_limit(
    pool: Pool, code: str, limit: str
) -> None:
    limits = Limits(scratch_mib=2, memory_mib=256, processes=12)
    result = await pool.run(Snippet(code=code), limits)
    assert (result.status, result.detail) == (Status.ERROR, limit), result


async def test_an_error_of_the_snippets_own_is_no_limit(pool: Pool) -> None:
    assert (await run(pool, "int('x')")).detail == ""


_LOADS = """
import sys
before = set(sys.modules)
import torch, matplotlib.pyplot as plt
layer = torch.nn.Linear(4, 2)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(3, 4)).sum().backward()
optimizer.step()
torch.save(layer.state_dict(), "layer.pt")
torch.load("layer.pt")
plt.plot([1, 2], label="loss")
plt.legend()
plt.show()
print(sorted(set(sys.modules) - before))
"""


async def test_a_first_optimizer_step_and_a_first_plot_import_nothing(pool: Pool) -> None:
    assert (await run(pool, _LOADS)).stdout == "[]\n"


async def test_what_a_cell_rehearsed_leaves_no_thread_and_no_numbers_behind(pool: Pool) -> None:
    code = """
        import os, torch
        print(len(os.listdir("/proc/self/task")), torch.get_num_threads())
        print(torch.rand(4).tolist(), torch.initial_seed())
        if os.fork() == 0:
            # Of a process with threads, this would hang.
            (torch.ones(600, 600) @ torch.ones(600, 600)).sum()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    async with asyncio.timeout(60):
        while len(pool._armed) < 2:  # noqa: ASYNC110 - made while nothing runs, so rehearsed
            await asyncio.sleep(0.01)
    shown = [(await run(pool, code, wall_s=60)).stdout.splitlines() for _ in range(2)]

    assert [lines[0] for lines in shown] == [f"1 {pool.limits.threads}"] * 2
    assert shown[0][1] != shown[1][1]
    assert [lines[2] for lines in shown] == ["0", "0"]
