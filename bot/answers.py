"""The answers to posts: each is sent once, kept up to date, and taken away with its post.

What is to be answered is written down before the answer is sent, and that it was sent afterwards,
together with the answer. Whatever stops the bot in between, `Answers.own_answer` finds an answer
that was sent, and Discord itself sends none twice that carries the same nonce.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import discord

from bot import reply as limits
from bot.delivery import BROKEN, NobodyWaits, answer_post, patiently, payload
from bot.fence import one_line
from bot.guilds import Place
from bot.reply import Reply
from bot.store import Answered, Begun
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

_log = logging.getLogger(__name__)

_THREAD_THERE: Final = 160004
"""Discord's error code for a message that has a thread already."""
_LOOKED_THROUGH: Final = 100
"""Messages after a post among which its answer is looked for after a crash."""


@dataclass(frozen=True)
class Found:
    """What to say about a post."""

    reply: Reply
    view: discord.ui.View
    language: Language
    slug: str | None = None
    problem: str | None = None
    """What the post suffers from, as a hash; None where there is nothing to recognize."""
    points_to: int | None = None
    """The answer that is only pointed to."""
    title: str = ""
    """What a thread about it is called."""
    text: str = ""
    """What is answered."""
    parts: tuple[int, ...] = ()
    """The messages that are answered together, when they are several."""


class Answers:
    """Sends, finds, changes and withdraws answers to posts."""

    def __init__(self, bot: TutorBot) -> None:
        self._bot = bot
        self._store = bot.desk.store

    async def send(
        self, message: discord.Message, found: Found, place: Place, *, addressed: bool
    ) -> None:
        """Answer a post, unless it was answered before."""
        guild_id = message.guild.id if message.guild else None
        begun = Begun(message.id, message.channel.id, message.author.id, guild_id)
        if not await self._store.begin(begun):
            return
        try:
            sent = await self._sent(message, found, place, addressed)
        except NobodyWaits as nobody:
            _log.info("%s", nobody)
            if not isinstance(nobody.__cause__, (discord.DiscordServerError, *BROKEN)):
                await self._store.finish(message.id)
            return
        await self._store.finish(message.id, answered_by(sent, message, found))

    async def _sent(
        self, message: discord.Message, found: Found, place: Place, addressed: bool
    ) -> discord.Message:
        if place is Place.THREAD and isinstance(message.channel, discord.TextChannel):
            try:
                return await self._sent_in_thread(message, found)
            except discord.Forbidden as error:
                _log.info("No thread in channel %s: %s", message.channel.id, error.text)
            except (discord.HTTPException, *BROKEN) as error:
                raise NobodyWaits(f"No thread: {type(error).__name__}") from error
        return await answer_post(message, found.reply, found.view, addressed=addressed)

    async def _sent_in_thread(self, message: discord.Message, found: Found) -> discord.Message:
        """Answer in a thread at the post; a thread and its first message share one id."""
        title = one_line(found.title or message.author.display_name, limits.THREAD)
        try:
            await patiently(lambda: message.create_thread(name=title))
        except discord.HTTPException as error:
            if error.code != _THREAD_THERE:
                raise
        kind = discord.ChannelType.public_thread
        thread = self._bot.get_partial_messageable(
            message.id, guild_id=message.guild.id if message.guild else None, type=kind
        )
        return await patiently(
            lambda: thread.send(**payload(found.reply, found.view), nonce=f"{message.id:x}")
        )

    async def own_answer(self, begun: Begun) -> discord.PartialMessage | None:
        """The answer to a post that was sent before the bot could write that down."""
        where = [self._channel(begun.channel_id, begun.guild_id)]
        if begun.guild_id is not None:
            where.append(self._channel(begun.post_id, begun.guild_id))  # the thread, if any
        post = discord.Object(begun.post_id)
        for channel in where:
            with contextlib.suppress(discord.NotFound, discord.Forbidden):
                async for message in channel.history(
                    after=post, limit=_LOOKED_THROUGH, oldest_first=True
                ):
                    if message.author != self._bot.user:
                        continue
                    reference = message.reference.message_id if message.reference else None
                    if begun.post_id in (reference, channel.id):
                        return channel.get_partial_message(message.id)
        return None

    async def adopt(
        self, own: discord.PartialMessage, message: discord.Message, found: Found
    ) -> None:
        """Take up an answer that was sent but not written down, and bring it up to date."""
        answered = answered_by(own, message, found)
        await self._store.finish(message.id, answered)
        await self.replace(answered, message, found)

    async def replace(self, answered: Answered, message: discord.Message, found: Found) -> bool:
        """Let an answer say something else; whether that worked."""
        answer = self._partial(answered)
        try:
            await patiently(
                lambda: answer.edit(
                    content=found.reply.content or None,
                    embeds=list(found.reply.embeds),
                    attachments=found.reply.files(),
                    view=found.view,
                )
            )
        except (discord.HTTPException, *BROKEN) as error:
            _log.info("Could not edit answer %s: %s", answered.answer_id, type(error).__name__)
            return False
        await self._store.remember(
            dataclasses.replace(
                answered,
                language=found.language,
                slug=found.slug,
                problem=found.problem,
                points_to=found.points_to,
                as_of=changed_at(message),
                text=None if answered.text is None else found.text,
                parts=found.parts,
            )
        )
        return True

    async def remove(self, own: discord.PartialMessage) -> None:
        """Delete an answer that nobody knows of, unless somebody else did."""
        with contextlib.suppress(discord.NotFound):
            await patiently(own.delete)

    async def withdraw(self, answered: Answered) -> None:
        """Take an answer away; one that is gone already is only forgotten."""
        try:
            await patiently(self._partial(answered).delete)
        except (discord.HTTPException, *BROKEN) as error:
            _log.info("Could not delete answer %s: %s", answered.answer_id, type(error).__name__)
        await self._store.forget(answered.answer_id)

    async def post_of(self, answered: Answered) -> discord.Message | None:
        """The post that is answered, read again; None when it cannot be."""
        if answered.post_id is None:
            return None
        return await self.post(answered.place_of_post, answered.post_id, answered.guild_id)

    async def post(
        self, channel_id: int, post_id: int, guild_id: int | None
    ) -> discord.Message | None:
        """A message, read again; None when it is gone or may not be read.

        Raises what discord.py raises while Discord is out of order.
        """
        channel = self._channel(channel_id, guild_id)
        try:
            return await patiently(lambda: channel.fetch_message(post_id))
        except (discord.NotFound, discord.Forbidden):
            return None

    def _partial(self, answered: Answered) -> discord.PartialMessage:
        channel = self._channel(answered.channel_id, answered.guild_id)
        return channel.get_partial_message(answered.answer_id)

    def _channel(
        self, channel_id: int, guild_id: int | None
    ) -> discord.TextChannel | discord.Thread | discord.PartialMessageable:
        known = self._bot.get_channel(channel_id)
        if isinstance(known, discord.TextChannel | discord.Thread):
            return known
        return self._bot.get_partial_messageable(channel_id, guild_id=guild_id)


def answered_by(
    answer: discord.Message | discord.PartialMessage, message: discord.Message, found: Found
) -> Answered:
    """A sent answer as it is remembered."""
    elsewhere = answer.channel.id != message.channel.id
    return Answered(
        answer_id=answer.id,
        channel_id=answer.channel.id,
        asker_id=message.author.id,
        language=found.language,
        post_id=message.id,
        slug=found.slug,
        guild_id=message.guild.id if message.guild else None,
        problem=found.problem,
        points_to=found.points_to,
        as_of=changed_at(message),
        post_channel_id=message.channel.id if elsewhere else None,
        parts=found.parts,
    )


def changed_at(message: discord.Message) -> datetime:
    """When a message got the words that it has now."""
    return message.edited_at or message.created_at
