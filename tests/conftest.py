"""What all tests share: the real search over the shipped entries, and one real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.assembly import build_searcher
from bot.settings import Settings
from bot.tutor import Tutor
from knowledge.search import Searcher
from sandbox.pool import Pool
from sandbox.waiting import WaitingRoom

pytest_plugins = ["discord_requests", "tests.attacks.gpu_parts", "queue_parts"]


@pytest.fixture(scope="session")
def searcher() -> Searcher:
    """The search that people use; its index, keyed by content, is built by the first run."""
    built = build_searcher(Settings())
    built.load()  # so that no test waits for it within a time of its own
    return built


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    """A started sandbox of the strongest tier that this machine gives."""
    async with Pool() as started:
        yield started


@pytest.fixture(scope="session")
def tutor(searcher: Searcher, pool: Pool) -> Tutor:
    """The service with real parts; nobody is refused for asking much."""
    return Tutor(
        searcher, WaitingRoom(pool, at_once=4, per_user=4, waiting=1000, waiting_per_user=1000)
    )
