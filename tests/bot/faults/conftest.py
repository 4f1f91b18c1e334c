"""What all tests of faults share: nobody waits for real seconds before another try."""

from __future__ import annotations

import pytest
from hasty import Hasty


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Hasty:
    """Retries at once, those of discord.py and those of the bot."""
    asyncio_in_a_hurry = Hasty()
    for module in ("discord.http", "discord.webhook.async_", "bot.delivery"):
        monkeypatch.setattr(f"{module}.asyncio", asyncio_in_a_hurry)
    return asyncio_in_a_hurry
