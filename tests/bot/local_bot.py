"""A small real discord.py bot, and the local Discord that it logs in to, for the tests here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.local import commands
from bot.local.model import JSON, Channel, Message
from bot.local.server import LocalDiscord

Item = TypeVar("Item")

TOKEN = "a-token-for-tests"
LOCALE = "ja"


class ProbeBot(discord.AutoShardedClient):
    """Writes down what it hears; tests add behaviour by setting `on_text` and the commands."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        wanted = intents or discord.Intents(guilds=True, messages=True, message_content=True)
        super().__init__(
            intents=wanted,
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.05,
            **options,
        )
        self.tree = app_commands.CommandTree(self)
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.edits: asyncio.Queue[discord.RawMessageUpdateEvent] = asyncio.Queue()
        self.deletions: asyncio.Queue[discord.RawMessageDeleteEvent] = asyncio.Queue()
        self.interactions: asyncio.Queue[discord.Interaction] = asyncio.Queue()
        self.resumed = asyncio.Event()
        self.ready_count = 0

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The local Discord asks for no pause between logins."""

    async def on_ready(self) -> None:
        self.ready_count += 1

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            self.heard.put_nowait(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.edits.put_nowait(event)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.deletions.put_nowait(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.put_nowait(interaction)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self.resumed.set()


async def soon(waiting: asyncio.Queue[Item]) -> Item:
    """The next item of a queue; fails the test when none comes."""
    async with asyncio.timeout(5):
        return await waiting.get()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds; fails the test when it does not come true."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(
    discord_server: LocalDiscord, monkeypatch: pytest.MonkeyPatch, bot: ProbeBot | None = None
) -> AsyncIterator[ProbeBot]:
    """A bot that is logged in to `discord_server` and ready."""
    monkeypatch.setattr(Route, "BASE", f"{discord_server.url}/api/v10")
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(discord_server.gateway.url))
    client = bot or ProbeBot()
    async with client:
        running_client = asyncio.create_task(client.start(TOKEN))
        ready = asyncio.create_task(client.wait_until_ready())
        await asyncio.wait({running_client, ready}, return_when="FIRST_COMPLETED", timeout=10)
        if running_client.done():
            ready.cancel()
            await running_client
        try:
            async with asyncio.timeout(5):
                await ready
            yield client
        finally:
            await client.close()
            # What nobody answered keeps its handler waiting; no later test may find it.
            tasks = asyncio.all_tasks()
            waiting = [
                task for task in tasks if task.get_name().startswith(("discord", "CommandTree"))
            ]
            for task in (running_client, *waiting):
                task.cancel()
            await asyncio.gather(running_client, *waiting, return_exceptions=True)


def press(local: LocalDiscord, message: Message, *, values: tuple[str, ...] = ()) -> None:
    """Use the first button or select of `message` as the first person."""
    component = message.components[0]["components"][0]
    local.interactions.component(
        local.world.people[0], message, component, values=values, locale=LOCALE
    )


def use(local: LocalDiscord, channel: Channel, name: str, values: list[JSON]) -> None:
    """Use a slash command as the first person."""
    slash = next(item for item in commands.slash_commands(local.world) if item.name == name)
    local.interactions.slash(local.world.people[0], channel, slash, values, locale=LOCALE)
