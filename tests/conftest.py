"""What all tests share: the real search over the shipped entries, and one real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.tutor import Tutor
from knowledge.encoder import Encoder
from knowledge.entry import load_entries
from knowledge.search import Searcher
from sandbox.pool import Pool


@pytest.fixture(scope="session")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """The search that people use, with its index in a folder of this test run."""
    cache: Path = tmp_path_factory.mktemp("cache")
    return Searcher(load_entries(), encoder=Encoder(), cache=cache)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool() -> AsyncIterator[Pool]:
    """A started sandbox of the strongest tier that this machine gives."""
    async with Pool() as started:
        yield started


@pytest.fixture(scope="session")
def tutor(searcher: Searcher, pool: Pool) -> Tutor:
    """The service with real parts."""
    return Tutor(searcher, pool)
