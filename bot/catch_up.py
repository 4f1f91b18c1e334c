"""What happened while the bot was away: posts begun and not answered, new, edited, deleted ones.

Looks back over a bounded time and a bounded number of messages of each channel, and asks Discord
only about channels in which something may have happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import discord

from bot.answers import changed_at
from bot.conduct import may_answer_unasked
from bot.delivery import BROKEN
from bot.seen import Seen
from bot.store import Answered

if TYPE_CHECKING:
    from bot.client import TutorBot
    from bot.cogs.posts import PostsCog

Channel: TypeAlias = "discord.TextChannel | discord.Thread"
Place: TypeAlias = "Channel | discord.PartialMessageable"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """How far to look back."""

    past: timedelta = timedelta(hours=1)
    """Zero looks at nothing."""
    messages: int = 100
    """The most messages of one channel."""


class CatchUp:
    """Catches up after each login, and keeps written down how far channels were read."""

    def __init__(self, bot: TutorBot, posts: PostsCog, seen: Seen) -> None:
        self._bot = bot
        self._store = bot.desk.store
        self._posts = posts
        self._seen = seen
        self._window = bot.window
        self._complete = False
        """Whether everything up to the newest message is known."""
        self._running = asyncio.Lock()

    def interrupted(self) -> None:
        """The connection is gone: until it is back, nothing counts as read."""
        self._complete = False

    def resumed(self) -> None:
        """The connection is back, and nothing was missed."""
        self._complete = not self._running.locked()

    async def write_down(self) -> None:
        """Write down how far channels were read."""
        if self._complete and (changed := self._seen.changed()):
            await self._store.put_seen(changed)

    async def try_again(self) -> None:
        """Send the answers that Discord did not take."""
        if self._complete:
            await self._answer_begun()

    async def run(self) -> None:
        """Catch up with everything, once the login is complete."""
        async with self._running:
            await self._answer_begun()
            if self._window.past:
                await self._look_back()
            self._complete = True
            await self.write_down()

    async def _answer_begun(self) -> None:
        for begun in await self._store.unfinished():
            mine = (
                0 in self._bot.shards
                if begun.guild_id is None
                else self._bot.get_guild(begun.guild_id) is not None
            )
            if mine:
                try:
                    await self._posts.complete(begun)
                except (discord.HTTPException, *BROKEN) as error:
                    _log.info("Post %s has to wait: %s", begun.post_id, type(error).__name__)

    async def _look_back(self) -> None:
        since = discord.utils.utcnow() - self._window.past
        answers: dict[int, list[Answered]] = defaultdict(list)
        for answered in await self._store.answers_since(since):
            answers[answered.place_of_post].append(answered)
        seen = await self._store.seen()
        oldest = discord.utils.time_snowflake(since)
        for guild in self._bot.guilds:
            self._seen.put(guild.id, 0)
        places: list[Place] = [
            channel
            for channel in self._readable()
            # What was written before the bot came to the guild was not written for it.
            # Also where nothing is new: what stood there may have been edited.
            if channel.id in answers
            or (channel.guild.id in seen and (channel.last_message_id or 0) > oldest)
        ]
        for place in (*places, *await self._conversations()):
            try:
                await self._look_back_in(place, oldest, seen, answers.get(place.id, []))
            except (discord.HTTPException, *BROKEN) as error:
                _log.info("Channel %s cannot be caught up: %s", place.id, type(error).__name__)

    async def _conversations(self) -> list[discord.PartialMessageable]:
        """The direct messages with people whom the bot answered there lately.

        Discord tells of no others, and sends them all to the first shard.
        """
        if 0 not in self._bot.shards:
            return []
        known = await self._store.conversations()
        return [self._bot.get_partial_messageable(channel_id) for channel_id in known]

    def _readable(self) -> Iterator[Channel]:
        """The channels and threads whose past the bot may read."""
        if not self._bot.intents.message_content:
            return
        for guild in self._bot.guilds:
            channels: list[Channel] = [*guild.text_channels, *guild.threads]
            for channel in channels:
                # A thread whose channel is unknown has no permissions.
                if isinstance(channel, discord.Thread) and channel.parent is None:
                    continue
                allowed = channel.permissions_for(guild.me)
                if allowed.view_channel and allowed.read_message_history:
                    yield channel

    async def _look_back_in(
        self, place: Place, oldest: int, seen: Mapping[int, int], known: list[Answered]
    ) -> None:
        history = place.history(
            limit=self._window.messages, after=discord.Object(oldest), oldest_first=False
        )
        messages = [message async for message in history]
        if len(messages) == self._window.messages:
            oldest = messages[-1].id - 1
        there = {message.id for message in messages}
        for answered in known:
            post_id = answered.post_id
            expected = answered.parts or ((post_id,) if post_id is not None else ())
            gone = [one for one in expected if one > oldest and one not in there]
            if post_id in gone:
                await self._posts.withdraw_all(post_id)
            elif gone:
                await self._posts.left_without(place.id, gone[0])
        as_of = {answered.post_id: answered.as_of for answered in known}
        guild, me = place.guild, self._bot.user
        settings = await self._bot.desk.conduct.guilds.get(guild.id if guild else None)
        for message in reversed(messages):
            self._bot.desk.gathering.hear(message, me.id if me else 0)
            if message.id in as_of:
                answered_as_of = as_of[message.id]
                if answered_as_of is not None and changed_at(message) > answered_as_of:
                    await self._posts.look_again(message)
            elif guild and not (guild.id in seen and may_answer_unasked(settings, message)):
                continue
            elif message.id > seen.get(place.id, 0):
                await self._posts.look_at(message)
            elif message.edited_at is not None:
                await self._posts.look_again(message)
        if messages:
            self._seen.put(place.id, messages[0].id)
