"""Attacks by way of the GPU. Skipped, with the reason, where there is none: see docs/gpu.md."""

from __future__ import annotations

import textwrap
import time

import pytest

from sandbox.gpu_pool import GpuPool
from sandbox.protocol import Device, Limits, Result, Snippet, Status
from sandbox.runner import DeviceUnavailable

LIMITS = Limits(wall_s=20.0, memory_mib=2048, scratch_mib=16)
RUNTIME = """\
import ctypes, glob, os, torch
# The copy of CUDA's runtime that torch has loaded itself.
maps = {line.split()[-1] for line in open("/proc/self/maps") if "libcudart" in line}
runtime = ctypes.CDLL(sorted(maps)[0])

def allocate(size):
    pointer = ctypes.c_void_p()
    return runtime.cudaMalloc(ctypes.byref(pointer), ctypes.c_size_t(size)), pointer
"""


async def attack(on_gpu: GpuPool, code: str, **limits: float) -> Result:
    code = textwrap.dedent(code)
    return await on_gpu.run(
        Snippet(
            code=(RUNTIME if "runtime" in code or "allocate" in code else "") + code,
            device=Device.CUDA,
        ),
        LIMITS.model_copy(update=limits),
    )


async def serves(on_gpu: GpuPool) -> bool:
    """Whether the next run finds the GPU in order."""
    code = "import torch\nprint(int(torch.ones(8, device='cuda').sum()))"
    return (await attack(on_gpu, code)).stdout == "8\n"


@pytest.mark.outcome("E")
async def test_a_memory_hog_on_the_gpu_gets_an_ordinary_error(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import torch
        kept = []
        while True:
            kept.append(torch.ones(64 << 20, dtype=torch.uint8, device="cuda"))
        """,
    )
    assert result.status is Status.ERROR, result
    assert result.exception is not None and "OutOfMemoryError" in result.exception.type
    assert await serves(on_gpu)


@pytest.mark.outcome("K")
async def test_allocation_past_torch_is_killed(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import time
        while allocate(64 << 20)[0] == 0:
            time.sleep(0.01)
        time.sleep(3600)
        """,
    )
    assert result.status is Status.OOM, result
    assert "GPU's memory" in result.detail
    assert await serves(on_gpu)


@pytest.mark.outcome("K")
async def test_lifting_torchs_own_limit_does_not_help(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import time, torch
        torch.cuda.set_per_process_memory_fraction(1.0)
        kept = []
        try:
            while True:
                kept.append(torch.ones(64 << 20, dtype=torch.uint8, device="cuda"))
                time.sleep(0.01)
        finally:
            time.sleep(3600)
        """,
    )
    assert result.status is Status.OOM, result
    assert await serves(on_gpu)


@pytest.mark.outcome("K")
async def test_an_endless_kernel_is_killed_and_the_slot_is_back_or_closed(
    on_gpu: GpuPool,
) -> None:
    begun = time.monotonic()
    result = await attack(
        on_gpu,
        """
        import torch
        torch.cuda._sleep(1 << 62)
        torch.cuda.synchronize()
        """,
        wall_s=2.0,
    )
    assert result.status is Status.TIMEOUT, result
    try:
        assert await serves(on_gpu)
    except DeviceUnavailable:
        assert on_gpu.out_of_service
    else:
        # The ten seconds of the settings, the next context, and a slow machine.
        assert time.monotonic() - begun < 60


@pytest.mark.outcome("C")
async def test_memory_that_a_run_leaks_is_free_before_the_next_one(on_gpu: GpuPool) -> None:
    code = """
        import os, torch
        free = torch.cuda.mem_get_info()[0]
        print(free >> 20, flush=True)
        allocate(1 << 30)
        os._exit(0)
    """
    told = [int((await attack(on_gpu, code)).stdout) for _ in range(3)]
    assert max(told) - min(told) <= 64, told


@pytest.mark.outcome("E")
async def test_after_an_illegal_address_the_next_run_works(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import torch
        table = torch.ones(4, device="cuda")
        print(table[torch.tensor([1 << 40], device="cuda")].cpu())
        """,
    )
    assert result.status in (Status.ERROR, Status.SIGNAL), result
    assert await serves(on_gpu)


@pytest.mark.outcome("D")
async def test_a_handle_to_another_runs_memory_opens_nothing(on_gpu: GpuPool) -> None:
    exported = await attack(
        on_gpu,
        """
        _, pointer = allocate(4 << 20)
        handle = ctypes.create_string_buffer(64)
        print(runtime.cudaIpcGetMemHandle(handle, pointer), handle.raw.hex())
        """,
    )
    assert exported.status is Status.OK, exported
    handle = exported.stdout.split()[1]
    opened = await attack(
        on_gpu,
        f"""
        class Handle(ctypes.Structure):
            _fields_ = [("raw", ctypes.c_char * 64)]
        handle = Handle.from_buffer_copy(bytes.fromhex("{handle}"))
        pointer = ctypes.c_void_p()
        print(runtime.cudaIpcOpenMemHandle(ctypes.byref(pointer), handle, 1) == 0)
        """,
    )
    assert opened.stdout == "False\n", opened


@pytest.mark.outcome("D")
async def test_what_a_run_left_in_the_gpus_memory_is_not_in_the_next_ones(
    on_gpu: GpuPool,
) -> None:
    canary = 0x5EC2E7
    wrote = await attack(
        on_gpu,
        f"import torch\nkept = torch.full((256 << 20,), {canary}, dtype=torch.int32, device='cuda')"
        "\nprint(int(kept[-1]))",
    )
    assert wrote.stdout == f"{canary}\n", wrote
    found = await attack(
        on_gpu,
        f"import torch\nfound = torch.empty(256 << 20, dtype=torch.int32, device='cuda')"
        f"\nprint(int((found == {canary}).sum()))",
    )
    assert found.stdout == "0\n", found


@pytest.mark.outcome("D")
async def test_the_driver_takes_no_orders_by_other_ways(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import os
        def attempt(path, flags):
            try:
                os.close(os.open(path, flags))
            except OSError:
                return False
            return True
        others = ["/dev/nvidia-modeset", "/dev/nvidia-caps", "/dev/dri", "/dev/mem", "/dev/kmsg"]
        print(sum(attempt(path, os.O_RDONLY) for path in others))
        print(attempt("/proc/driver/nvidia/params", os.O_WRONLY))
        """,
    )
    assert result.stdout == "0\nFalse\n", result


@pytest.mark.outcome("D")
async def test_the_threads_of_cuda_are_behind_the_walls_too(on_gpu: GpuPool) -> None:
    result = await attack(
        on_gpu,
        """
        import os
        states = [
            line.split()[1]
            for task in os.listdir("/proc/self/task")
            for line in open(f"/proc/self/task/{task}/status")
            if line.startswith("Seccomp:")
        ]
        print(len(states) > 1, set(states))
        """,
    )
    assert result.stdout == "True {'2'}\n", result
