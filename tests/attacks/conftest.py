"""One pool per tier, for attacks that run against each tier the machine can give."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import kernel, landlock
from sandbox.pool import Pool
from sandbox.protocol import Limits, Tier

LIMITS = Limits(wall_s=10.0, memory_mib=384, scratch_mib=8, processes=24)


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=[Tier.STRONG, Tier.FLOOR], ids=str
)
async def any_tier(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    tier: Tier = request.param
    if tier is Tier.FLOOR and kernel.landlock_abi() < landlock.FLOOR_ABI:
        pytest.skip(f"the floor tier needs Landlock {landlock.FLOOR_ABI}")
    async with Pool(limits=LIMITS, minimum_tier=tier, maximum_tier=tier) as pool:
        yield pool


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def strong() -> AsyncIterator[Pool]:
    async with Pool(limits=LIMITS) as pool:
        yield pool
