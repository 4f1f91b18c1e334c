"""The watch over a GPU: real cells behind real walls, on the CPU, and a driver that plays a script.

What only a GPU can show is in test_gpu_runs.py and tests/attacks/test_gpu_attacks.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from scripted_gpu import GIB, LIMITS, ScriptedGpu, cells_on_cpu, watched

from sandbox.devices import Devices
from sandbox.gpu_pool import LIBRARIES, GpuPool
from sandbox.pool import Pool
from sandbox.protocol import Device, Result, Snippet, Status
from sandbox.runner import DeviceUnavailable, Progress


async def run(pool: GpuPool, code: str, **limits: float) -> Result:
    return await pool.run(Snippet(code=code), LIMITS.model_copy(update=limits))


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def takes(pool: GpuPool, gpu: ScriptedGpu, size: int) -> Result:
    """A run that takes memory when it has begun, and goes on for ever."""

    def watch(progress: Progress) -> None:
        if "taking" in progress.stdout:
            gpu.taken = size

    code = "import time\nprint('taking')\ntime.sleep(3600)"
    return await pool.run(Snippet(code=code), LIMITS, watch=watch)


async def test_a_run_that_takes_more_of_the_gpu_than_its_part_is_killed() -> None:
    gpu = ScriptedGpu()
    async with watched(gpu) as (pool, _):
        result = await takes(pool, gpu, 4 * GIB + LIBRARIES + 1)
        gpu.taken = 0
        after = await run(pool, "print('next')")

    assert result.status is Status.OOM
    assert "GPU's memory" in result.detail and "4096 MiB" in result.detail
    assert result.stdout == "taking\n"
    assert after.status is Status.OK and after.stdout == "next\n"


async def test_the_context_of_the_armed_cell_does_not_count_as_the_runs() -> None:
    gpu = ScriptedGpu()
    gpu.context = 4 * GIB + LIBRARIES + 1
    async with watched(gpu) as (pool, _):
        result = await run(pool, "import time; time.sleep(0.5); print('whole')")

    assert result.status is Status.OK and result.stdout == "whole\n"


async def test_a_cell_is_armed_only_when_the_one_before_is_gone_and_its_memory_free() -> None:
    gpu = ScriptedGpu()
    gpu.context = GIB
    async with watched(gpu) as (pool, cells):
        assert len(cells._armed) == 1
        gpu.taken = GIB
        await run(pool, "x = 1")
        await until(lambda: not cells._live)
        assert not cells._armed
        gpu.taken = 0
        await until(lambda: cells._armed)

    assert gpu.most_cells == 1


async def test_memory_that_does_not_come_free_takes_the_gpu_out_of_service() -> None:
    gpu = ScriptedGpu()
    told = asyncio.Event()
    async with watched(gpu, recovery_s=0.3) as (pool, cells):
        pool.when_withdrawn(told.set)
        gpu.taken = GIB
        result = await run(pool, "x = 1")
        with pytest.raises(DeviceUnavailable, match=r"out of service.*1024 MiB.*Restart"):
            await run(pool, "x = 1")
        gpu.taken = 0
        with pytest.raises(DeviceUnavailable, match="--device cpu"):
            await run(pool, "x = 1")
        assert not cells._armed

    assert result.status is Status.OK
    assert told.is_set()


async def test_a_run_without_end_is_killed_at_its_deadline_and_the_next_one_runs() -> None:
    gpu = ScriptedGpu()
    async with watched(gpu) as (pool, _):
        endless = await run(pool, "while True: pass", wall_s=1.0)
        after = await run(pool, "print('next')")

    assert endless.status is Status.TIMEOUT
    assert after.stdout == "next\n"


async def test_the_watch_ends_with_the_run_although_the_driver_answers_in_that_moment() -> None:
    asked, answer = threading.Event(), threading.Event()

    class SlowGpu(ScriptedGpu):
        def used(self) -> int:
            asked.set()
            answer.wait(60)
            return super().used()

    gpu = SlowGpu()
    pool = GpuPool(cells_on_cpu(gpu), gpu, fraction=0.25, recovery_s=60)
    watching = asyncio.create_task(pool._oversee(0))
    await until(asked.is_set)
    answer.set()
    pool._asking.submit(int).result()  # the answer is there, and nobody has looked at it yet
    watching.cancel()
    await asyncio.wait({watching}, timeout=10)
    assert watching.cancelled()


async def test_a_run_that_nobody_waits_for_gives_the_gpu_back() -> None:
    gpu = ScriptedGpu()
    async with watched(gpu) as (pool, cells):
        asked = asyncio.create_task(takes(pool, gpu, GIB))
        await until(lambda: gpu.taken)
        asked.cancel()
        await asyncio.wait({asked})
        assert asked.cancelled()
        gpu.taken = 0
        await until(lambda: cells._armed)
        assert (await run(pool, "print('next')")).stdout == "next\n"


async def test_runs_have_the_gpu_one_after_the_other() -> None:
    gpu = ScriptedGpu()
    gpu.context = GIB
    async with watched(gpu) as (pool, _):
        results = await asyncio.gather(*(run(pool, f"print({n})") for n in range(4)))

    assert [result.stdout for result in results] == ["0\n", "1\n", "2\n", "3\n"]
    assert gpu.most_cells == 1


async def test_a_run_with_limits_of_its_own_gets_a_cell_with_these_walls() -> None:
    gpu = ScriptedGpu()
    code = "import torch\nprint(torch.get_num_threads())"
    async with watched(gpu) as (pool, _):
        results = [await run(pool, code, threads=threads) for threads in (1, 2)]

    assert [result.stdout for result in results] == ["1\n", "2\n"]
    assert gpu.most_cells <= 2  # the armed one may still be going


async def test_a_gpu_that_is_lost_in_a_run_ends_it_and_takes_no_more() -> None:
    gpu = ScriptedGpu()

    def watch(progress: Progress) -> None:
        gpu.lost = gpu.lost or "begun" in progress.stdout

    async with watched(gpu) as (pool, _):
        code = "import time\nprint('begun')\ntime.sleep(3600)"
        result = await pool.run(Snippet(code=code), LIMITS, watch=watch)
        with pytest.raises(DeviceUnavailable, match="out of service"):
            await run(pool, "x = 1")

    assert result.status is Status.INTERNAL and "GPU is lost" in result.detail


async def test_a_gpu_that_others_use_is_refused_at_the_start() -> None:
    gpu = ScriptedGpu()
    gpu.taken = 12 * GIB
    with pytest.raises(DeviceUnavailable, match=r"3584 MiB.*nvidia-smi"):
        async with watched(gpu):
            pass


async def test_the_processor_goes_on_when_there_is_no_gpu() -> None:
    asked = 0

    async def find() -> GpuPool:
        nonlocal asked
        asked += 1
        raise DeviceUnavailable(Device.CUDA, "none here")

    async with Devices(Pool(limits=LIMITS, size=1), find) as devices:
        first = await devices.run(Snippet(code="print(1)"))
        assert asked == 0
        with pytest.raises(DeviceUnavailable, match="none here"):
            await devices.run(Snippet(code="x = 1", device=Device.CUDA))
        after = await devices.run(Snippet(code="print(2)"))

    assert (first.stdout, after.stdout, asked) == ("1\n", "2\n", 1)
