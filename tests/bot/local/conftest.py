"""The local Discord, and a small real discord.py bot that is logged in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from local_bot import TOKEN, ProbeBot, running

from bot.local.model import Channel
from bot.local.server import LocalDiscord


@pytest_asyncio.fixture
async def local() -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord(port=0, token=TOKEN, page=False, answer_within=0.3) as started:
        yield started


@pytest_asyncio.fixture
async def bot(local: LocalDiscord, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProbeBot]:
    async with running(local, monkeypatch) as client:
        yield client


@pytest.fixture
def help_channel(local: LocalDiscord) -> Channel:
    return next(iter(local.world.channels.values()))
