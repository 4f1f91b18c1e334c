"""A pool at the strongest tier with little memory, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox.pool import Pool
from sandbox.protocol import Limits

LIMITS = Limits(wall_s=20.0, memory_mib=512, scratch_mib=16)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    async with Pool(limits=LIMITS) as running:
        yield running
