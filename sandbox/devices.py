"""Runs snippets in this process: on the processor, and on a GPU from when one is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sandbox.gpu_pool import GpuPool
from sandbox.pool import Pool
from sandbox.protocol import Device, Limits, Result, Snippet
from sandbox.runner import Watch
from sandbox.service import Service


class Devices(Service):
    """A pool for each device. Use as an asynchronous context manager.

    `find` makes the pool for the GPU, or raises DeviceUnavailable. It is not asked before a snippet
    wants a GPU: most never do, and a CUDA context takes seconds and memory.
    """

    def __init__(self, cpu: Pool, find: Callable[[], Awaitable[GpuPool]]) -> None:
        self._cpu, self._find = cpu, find
        self._cuda: GpuPool | None = None
        self._finding = asyncio.Lock()

    async def start(self) -> None:
        """Start the pool for the processor. Raises SandboxError."""
        await self._cpu.start()

    async def close(self) -> None:
        """End every run."""
        await self._cpu.close()
        if self._cuda is not None:
            await self._cuda.close()

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """Run `snippet` on the device that it asks for, as the pools do.

        Raises DeviceUnavailable where that cannot be, SandboxError when nothing can be run.
        """
        if snippet.device is Device.CPU:
            return await self._cpu.run(snippet, limits, watch=watch)
        async with self._finding:
            if self._cuda is None:
                found = await self._find()
                await found.start()
                self._cuda = found
        return await self._cuda.run(snippet, limits, watch=watch)
