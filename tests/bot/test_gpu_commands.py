"""`--device cuda` at the command line, where there is no GPU and where one fails: in words."""

from __future__ import annotations

import asyncio

import pytest
from command_line import tutor
from pydantic import SecretStr
from queue_parts import RedisHere
from scripted_gpu import GIB, LIMITS, ScriptedGpu, cells_on_cpu

from bot import assembly
from bot.settings import Settings
from sandbox.client import Queue
from sandbox.gpu_pool import GpuPool
from sandbox.nvml import NvmlGpu
from sandbox.options import GpuOptions
from sandbox.protocol import Device, Snippet, Tier
from sandbox.runner import DeviceUnavailable, SandboxError


def has_gpu() -> bool:
    try:
        NvmlGpu(0)
    except DeviceUnavailable:
        return False
    return True


without_gpu = pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")


@without_gpu
def test_a_worker_for_gpus_ends_with_1_and_a_sentence(redis_here: RedisHere) -> None:
    shown = tutor("worker", "--device", "cuda", TUTOR_BROKER=redis_here.url)
    assert shown.returncode == 1, shown.stderr
    assert "no CUDA GPU" in shown.stderr and "--device cpu" in shown.stderr
    assert "Traceback" not in shown.stderr


@without_gpu
def test_a_run_on_a_gpu_ends_with_1_and_a_sentence() -> None:
    shown = tutor("run", "-", "--device", "cuda", given="x = 1", TUTOR_BROKER="")
    assert shown.returncode == 1, shown.stderr
    assert "no CUDA GPU" in shown.stderr and "--device cpu" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_floor_walls_on_a_gpu_have_to_be_accepted() -> None:
    assert Settings().gpu_options() == GpuOptions(minimum_tier=Tier.STRONG)
    assert Settings(gpu_minimum_tier=Tier.FLOOR).gpu_options().minimum_tier is Tier.FLOOR


async def test_a_worker_whose_gpu_does_not_recover_stops_and_says_why(
    redis_here: RedisHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = ScriptedGpu()

    async def build(settings: Settings) -> GpuPool:
        return GpuPool(cells_on_cpu(gpu), gpu, fraction=0.25, recovery_s=0.3)

    monkeypatch.setattr(assembly, "build_gpu_pool", build)
    settings = Settings(broker=SecretStr(redis_here.url), gpu_minimum_tier=Tier.FLOOR)
    work = asyncio.create_task(assembly.work(settings, Device.CUDA, asyncio.Event()))
    async with Queue(redis_here.options(), limits=LIMITS) as queue:
        async with asyncio.timeout(60):
            while not await assembly.worker_is_well(settings, Device.CUDA):
                assert not work.done(), work.exception()
                await asyncio.sleep(0.05)
        gpu.taken = GIB
        # These cells are on the CPU and refuse it; what counts is what is left behind it.
        with pytest.raises(SandboxError):
            await queue.run(Snippet(code="x = 1", device=Device.CUDA))
        with pytest.raises(DeviceUnavailable, match="out of service"):
            async with asyncio.timeout(60):
                await work

    assert not await assembly.worker_is_well(settings, Device.CUDA)
