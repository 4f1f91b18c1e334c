"""A GPU whose driver plays a script, watched while real cells on the CPU run. No test of a GPU."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sandbox.gpu_pool import GpuPool
from sandbox.nvml import GpuLost
from sandbox.pool import Pool
from sandbox.protocol import Limits, Tier

GIB = 1 << 30
LIMITS = Limits(wall_s=60.0, memory_mib=512, scratch_mib=16)


class ScriptedGpu:
    """A GPU of 16 GiB, of which each living cell takes `context`, and the test `taken`."""

    name, uuid, node, total = "Scripted GPU", "GPU-0", 0, 16 * GIB

    def __init__(self) -> None:
        self.taken = self.context = 0
        self.lost = False
        self.cells: Callable[[], int] = lambda: 0
        self.most_cells = 0

    def used(self) -> int:
        if self.lost:
            raise GpuLost("GPU is lost")
        self.most_cells = max(self.most_cells, self.cells())
        return GIB // 2 + self.taken + self.context * self.cells()


def cells_on_cpu(gpu: ScriptedGpu) -> Pool:
    """Makes the cells, and has the driver tell of their contexts."""
    cells = Pool(
        limits=LIMITS, minimum_tier=Tier.FLOOR, maximum_tier=Tier.FLOOR, size=0, concurrency=1
    )
    gpu.cells = lambda: len(cells._live)
    return cells


@asynccontextmanager
async def watched(
    gpu: ScriptedGpu, recovery_s: float = 60.0
) -> AsyncIterator[tuple[GpuPool, Pool]]:
    """A quarter of the GPU for a run."""
    cells = cells_on_cpu(gpu)
    async with GpuPool(cells, gpu, fraction=0.25, recovery_s=recovery_s) as pool:
        yield pool, cells
