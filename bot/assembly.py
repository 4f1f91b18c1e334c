"""Puts the parts together by the settings: the one place that knows how a tutor is built."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.settings import Settings
from bot.tutor import Tutor
from knowledge.encoder import Encoder
from knowledge.entry import load_entries
from knowledge.search import Searcher
from sandbox.pool import Pool


def build_searcher(settings: Settings) -> Searcher:
    """The search over the shipped entries. Raises EntryError when an entry file is broken."""
    return Searcher(load_entries(), encoder=Encoder(settings.encoder), cache=settings.cache)


def build_pool(settings: Settings) -> Pool:
    """The sandbox of this process, not started yet."""
    return Pool(
        limits=settings.limits(),
        minimum_tier=settings.minimum_tier,
        size=settings.armed_cells,
        concurrency=settings.concurrency,
    )


@asynccontextmanager
async def running_tutor(settings: Settings) -> AsyncIterator[Tutor]:
    """A tutor with a started sandbox. Raises EntryError and SandboxError."""
    searcher = build_searcher(settings)
    async with build_pool(settings) as pool:
        yield Tutor(searcher, pool)
