"""Runs snippets on one GPU, one at a time; a GPU that does not recover takes no more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from sandbox.gpu import find_gpu
from sandbox.nvml import Gpu, GpuLost, NvmlGpu
from sandbox.options import GpuOptions
from sandbox.pool import Pool
from sandbox.protocol import Device, Limits, Result, Snippet, Status, Tier
from sandbox.run import Sentence
from sandbox.runner import DeviceUnavailable, SandboxError, Watch
from sandbox.service import Service
from sandbox.wire import Cuda

_MIB = 1024 * 1024
LIBRARIES: Final = 1024 * _MIB
"""Bytes beside a run's own part: code that CUDA's libraries load into the context when first used,
which torch's own limit does not count."""
REMAINS: Final = 64 * _MIB
"""Bytes that the driver may keep for itself after a run."""
_EVERY_S: Final = 0.1
_ANSWER_S: Final = 5.0

_log = logging.getLogger(__name__)


class GpuPool(Service):
    """Runs snippets on one GPU. Use as an asynchronous context manager.

    `pool` makes the cells; it must keep none armed by itself (size 0). One cell, with its context,
    is armed when the memory of the last run is known to be free. The GPU has to be this pool's
    alone: what others take or free would be taken for the run's.
    """

    def __init__(self, pool: Pool, gpu: Gpu, *, fraction: float, recovery_s: float) -> None:
        self.out_of_service = ""
        """Why the GPU takes no more runs, in words; empty while it does."""
        self._pool, self._gpu = pool, gpu
        self._most = int(gpu.total * fraction)
        self._recovery_s = recovery_s
        self._turn = asyncio.Lock()
        self._empty = 0
        self._recovery: asyncio.Task[None] | None = None
        self._on_withdrawal: Callable[[], None] = lambda: None
        # One thread of its own: a driver that never answers must not block other work.
        self._asking = ThreadPoolExecutor(1, "nvml")

    @property
    def tier(self) -> Tier:
        """The walls around a run."""
        return self._pool.tier

    @property
    def why(self) -> str:
        """What the walls are made of, and which GPU it is."""
        return f"{self._pool.why}; {self._gpu.name}, {self._gpu.total // _MIB} MiB"

    def when_withdrawn(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when the GPU is taken out of service."""
        self._on_withdrawal = tell

    async def start(self) -> None:
        """Look whether there is memory for a run, test the walls, and arm the first cell.

        Raises SandboxError.
        """
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        try:
            self._empty = await self._used()
        except GpuLost as lost:
            raise DeviceUnavailable(Device.CUDA, f"The GPU cannot be used: {lost}.") from lost
        free, needed = self._gpu.total - self._empty, self._most + LIBRARIES
        if free < needed:
            raise DeviceUnavailable(
                Device.CUDA,
                f"The GPU {self._gpu.name} has {free // _MIB} MiB of memory free, and a run may "
                f"need {needed // _MIB}. Something else uses it: end that (nvidia-smi shows it), "
                "or set TUTOR_GPU_MEMORY_FRACTION lower.",
            )
        await self._pool.start()
        # The self-test of the walls was a run, too.
        await self._recover(time.monotonic())
        self._refuse_when_withdrawn()

    async def close(self) -> None:
        """End the run that is under way, and leave nothing."""
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await self._pool.close()
        self._asking.shutdown(wait=False)

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """Run `snippet` on the GPU when those before it have ended, and their memory is free.

        Raises DeviceUnavailable when the GPU is out of service, and what Pool.run raises.
        """
        async with self._turn:
            if self._recovery is not None:
                await asyncio.wait({self._recovery})
            self._refuse_when_withdrawn()
            try:
                await self._pool.arm(limits)
                # With the context of the armed cell, which is not the snippet's doing.
                before = await self._used()
            except (SandboxError, GpuLost) as problem:
                self._withdraw(str(problem))
                self._refuse_when_withdrawn()
                raise
            deadline = time.monotonic() + (limits or self._pool.limits).wall_s
            try:
                return await self._pool.run(
                    snippet, limits, watch=watch, overseer=partial(self._oversee, before)
                )
            finally:
                # The end of a run that took long to kill is its deadline.
                over = min(time.monotonic(), deadline)
                self._recovery = asyncio.create_task(self._recover(over))

    # --- Watching the memory ----------------------------------------------------------------------

    async def _used(self) -> int:
        """Raises GpuLost."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await loop.run_in_executor(self._asking, self._gpu.used)
        except TimeoutError:
            raise GpuLost(f"its driver did not answer for {_ANSWER_S:.0f} s") from None

    async def _oversee(self, before: int) -> Sentence:
        """Come back when the run has more of the memory than it may have."""
        while True:
            try:
                used = await self._used()
            except GpuLost as lost:
                return Sentence(Status.INTERNAL, f"The run was stopped, the GPU was lost: {lost}.")
            if used - before > self._most + LIBRARIES:
                return Sentence(
                    Status.OOM,
                    "The run was killed because it took more of the GPU's memory than a run may "
                    f"have, {self._most // _MIB} MiB.",
                )
            await asyncio.sleep(_EVERY_S)

    async def _recover(self, over: float) -> None:
        """Wait until the memory is free, and arm the next cell; else take the GPU out of service.

        `over` is when the last run ended, by the clock time.monotonic.
        """
        try:
            while (kept := await self._used() - self._empty) > REMAINS:
                if time.monotonic() - over > self._recovery_s:
                    self._withdraw(
                        f"{kept // _MIB} MiB of memory did not come free within "
                        f"{self._recovery_s:g} s after a run"
                    )
                    return
                await asyncio.sleep(_EVERY_S)
            await self._pool.arm()
        except (SandboxError, GpuLost) as problem:
            self._withdraw(str(problem))

    def _withdraw(self, why: str) -> None:
        self.out_of_service = (
            f"The GPU {self._gpu.name} was taken out of service: {why.rstrip('.')}. Restart the "
            "worker; when that does not help, restart the machine. Until then use --device cpu."
        )
        _log.error("%s", self.out_of_service)
        self._on_withdrawal()

    def _refuse_when_withdrawn(self) -> None:
        if self.out_of_service:
            raise DeviceUnavailable(Device.CUDA, self.out_of_service)


async def gpu_pool(options: GpuOptions, limits: Limits, recycle: int) -> GpuPool:
    """The pool for a GPU of this host, not started yet. Raises DeviceUnavailable."""
    gpu = NvmlGpu(options.index)
    if await find_gpu() is None:
        raise DeviceUnavailable(
            Device.CUDA,
            f"This host has a GPU ({gpu.name}), but not for this torch: install a CUDA build of "
            "torch that the driver supports (docs/gpu.md), or use --device cpu.",
        )
    if options.minimum_tier.rank > Tier.FLOOR.rank:
        raise DeviceUnavailable(
            Device.CUDA,
            f"This host has a GPU ({gpu.name}), but runs on it have walls of tier `floor` only. "
            "Where the worker stands in a container of its own, accept that with "
            "TUTOR_GPU_MINIMUM_TIER=floor (docs/gpu.md); else use --device cpu.",
        )
    try:
        cuda = Cuda(uuid=gpu.uuid, node=gpu.node, fraction=options.fraction)
    except ValueError:
        raise DeviceUnavailable(
            Device.CUDA, f"{gpu.name} ({gpu.uuid}) is no whole GPU; parts of one are not supported."
        ) from None
    pool = Pool(
        limits=limits,
        minimum_tier=Tier.FLOOR,
        maximum_tier=Tier.FLOOR,
        size=0,
        concurrency=1,
        recycle=recycle,
        cuda=cuda,
    )
    return GpuPool(pool, gpu, fraction=options.fraction, recovery_s=options.recovery_s)
