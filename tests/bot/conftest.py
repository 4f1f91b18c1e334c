"""A study group to test in: the local Discord, and the real bot logged in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from postgres import Postgres, running_postgres
from sqlalchemy import URL
from study_group import StudyGroup, local_discord, study_group

from bot.local.server import LocalDiscord
from knowledge.search import Searcher


@pytest_asyncio.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalDiscord]:
    async with local_discord(monkeypatch) as started:
        yield started


@pytest_asyncio.fixture
async def group(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> AsyncIterator[StudyGroup]:
    async with study_group(local, searcher, tmp_path / "tutor.db") as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as started:
        yield started


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def address(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres
) -> AsyncIterator[Path | URL]:
    """Where a database of either kind can be made."""
    if request.param == "sqlite":
        yield tmp_path / "tutor.db"
    else:
        async with postgres.database() as url:
            yield url
