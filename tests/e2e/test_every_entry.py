"""Every entry keeps its promise in the real sandbox and under the whole search."""

from __future__ import annotations

import asyncio

from bot.prove import prove
from bot.tutor import Tutor


async def test_every_entry_holds(tutor: Tutor) -> None:
    outcomes = await asyncio.gather(*(prove(tutor, entry) for entry in tutor.entries))

    faults = [f"{outcome.slug}: {fault}" for outcome in outcomes for fault in outcome.faults]
    assert not faults, "\n".join(faults)
