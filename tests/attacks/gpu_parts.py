"""The GPU of this host, for tests that need one; elsewhere they are skipped, with the reason."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.gpu_pool import GpuPool, gpu_pool
from sandbox.options import GpuOptions
from sandbox.protocol import Limits, Tier
from sandbox.runner import DeviceUnavailable

LIMITS = Limits(wall_s=20.0, memory_mib=2048, scratch_mib=16)
OPTIONS = GpuOptions(fraction=0.25, minimum_tier=Tier.FLOOR)


class _Kept:
    """One pool for all tests, made anew when its GPU was taken out of service."""

    def __init__(self) -> None:
        self._pool: GpuPool | None = None
        self._why_not = ""

    async def get(self) -> GpuPool:
        if self._why_not:
            pytest.skip(self._why_not)
        if self._pool is not None and self._pool.out_of_service:
            await self.close()
        if self._pool is None:
            try:
                self._pool = await gpu_pool(OPTIONS, LIMITS, recycle=2000)
            except DeviceUnavailable as reason:
                self._why_not = str(reason)
                pytest.skip(self._why_not)
            await self._pool.start()
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _kept() -> AsyncIterator[_Kept]:
    kept = _Kept()
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def on_gpu(_kept: _Kept) -> GpuPool:
    """A started pool on this host's GPU."""
    return await _kept.get()
