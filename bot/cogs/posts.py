"""Messages: tracebacks that are posted, mentions, and what becomes of a post afterwards."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import discord
from discord.ext import commands, tasks
from sqlalchemy.exc import SQLAlchemyError

from bot.answers import Answers, Found, changed_at
from bot.catch_up import CatchUp
from bot.conduct import TooSoon, may_answer_unasked
from bot.delivery import BROKEN
from bot.responder import Responder, sorry
from bot.seen import Seen
from bot.store import Answered, Begun
from bot.trouble import sentence
from knowledge.language import detect_language

if TYPE_CHECKING:
    from bot.client import TutorBot

_log = logging.getLogger(__name__)

_TYPED = frozenset({discord.MessageType.default, discord.MessageType.reply})
_ADDED_LATER = timedelta(minutes=15)
"""How long after posting a traceback may be edited into a post and still be answered."""
_WRITE_DOWN_S = 5.0
"""Seconds after which it is written down how far channels were read."""
_TRY_AGAIN_S = 60.0
"""Seconds after which an answer that Discord did not take is tried again."""


class PostsCog(commands.Cog):
    """Answers posts, keeps each answer up to date, and takes it away with its post."""

    def __init__(self, bot: TutorBot) -> None:
        self._bot = bot
        self._desk = bot.desk
        self._conduct = bot.desk.conduct
        self._gathering = bot.desk.gathering
        self._answers = Answers(bot)
        self._responder = Responder(bot)
        self._seen = Seen()
        self._catch_up = CatchUp(bot, self, self._seen)
        self._edits: dict[int, datetime] = {}
        """The newest edit of each post that waits for its turn."""

    async def cog_load(self) -> None:
        """Called by discord.py at the start."""
        self._write_down.start()
        self._try_again.start()

    async def cog_unload(self) -> None:
        """Called by discord.py at the end."""
        self._write_down.cancel()
        self._try_again.cancel()
        await self._catch_up.write_down()

    @tasks.loop(seconds=_WRITE_DOWN_S)
    async def _write_down(self) -> None:
        await self._catch_up.write_down()

    @tasks.loop(seconds=_TRY_AGAIN_S)
    async def _try_again(self) -> None:
        await self._catch_up.try_again()

    # -- what discord.py calls

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """After every login: nothing that happened since the last one comes as an event."""
        await self._catch_up.run()

    @commands.Cog.listener()
    async def on_shard_disconnect(self, _: int) -> None:
        """From now on messages may be missed."""
        self._catch_up.interrupted()

    @commands.Cog.listener()
    async def on_shard_resumed(self, _: int) -> None:
        """Discord has sent what was missed."""
        self._catch_up.resumed()

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Every message that the bot can see."""
        with self._seen.looking(message.channel.id, message.id):
            await self.look_at(message)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Edits, and also the moment when Discord adds a preview to a link."""
        if event.message.edited_at is not None:
            await self.look_again(event.message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """A message is deleted, seen before or not."""
        self._desk.underway.stop(event.message_id)
        await self.withdraw_all(event.message_id)
        await self.left_without(event.channel_id, event.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Many messages are deleted at once."""
        for message_id in event.message_ids:
            self._desk.underway.stop(message_id)
            await self.withdraw_all(message_id)
            await self.left_without(event.channel_id, message_id)

    # -- what becomes of a post

    async def look_at(self, message: discord.Message) -> None:
        """Answer a message that is new, when there is something to say."""
        self._gathering.hear(message, self._bot.own_id)
        if not is_typed_by_a_person(message):
            return
        async with self._desk.lock(message.id):
            parts = await self._parts(message)
            if parts[-1].id != message.id:
                return  # of several in a row the last speaks for all
            try:
                await self._answer(message, parts)
            except (SQLAlchemyError, ConnectionError) as error:
                # Nothing can be written down: it is answered after the next login.
                await self._without_memory(message, error)
                raise

    async def look_again(self, message: discord.Message) -> None:
        """Bring the answers to an edited message up to date, or answer it now."""
        edited = changed_at(message)
        self._gathering.change(message)
        if not is_typed_by_a_person(message):
            return
        self._edits[message.id] = max(edited, self._edits.get(message.id, edited))
        async with self._desk.lock(message.id):
            if self._edits.get(message.id, edited) != edited:
                return  # newer words are on their way here
            self._edits.pop(message.id, None)
            answers = await self._desk.store.by_post(message.id)
            joined: Sequence[Answered] = ()
            if answers:
                await self._update(message, answers)
            else:
                # An answer to this person that is on its way is written down first.
                async with self._desk.lock(message.author.id):
                    joined = await self._joined(message.id)
                if not joined:
                    await self._answer_late(message)
        for answered in answers:
            await self._follow(answered)
        if joined:
            await self._update_posts(joined)
            if not await self._joined(message.id):
                async with self._desk.lock(message.id):
                    await self._answer_late(message)

    async def withdraw_all(self, message_id: int) -> None:
        """Take away the answers to a deleted post; forget the message if it was an answer."""
        async with self._desk.lock(message_id):
            answers = await self._desk.store.by_post(message_id)
            for answered in answers:
                await self._answers.withdraw(answered)
            await self._desk.store.forget(message_id)
            await self._desk.learned.drop(message_id)
            await self._desk.learned.drop_answers(*(answered.answer_id for answered in answers))
        for answer_id in (message_id, *(answered.answer_id for answered in answers)):
            await self._follow_pointers(answer_id)

    async def complete(self, begun: Begun) -> None:
        """Answer a post whose answer was begun and, as far as is known, not sent."""
        async with self._desk.lock(begun.post_id):
            if await self._desk.store.is_done(begun.post_id):
                return
            own = await self._answers.own_answer(begun)
            message = await self._answers.post(begun.channel_id, begun.post_id, begun.guild_id)
            found = None
            if message is not None:
                settings = await self._conduct.guilds.get(begun.guild_id)
                addressed = self._is_addressed(message)
                found = await self._responder.said(message, addressed, settings.language)
            if message is None or found is None:
                if own is not None:
                    await self._answers.remove(own)
                await self._desk.store.finish(begun.post_id)
            elif own is not None:
                await self._answers.adopt(own, message, found)
            else:
                await self._answers.send(message, found, settings.place, addressed=addressed)

    async def _without_memory(self, message: discord.Message, error: Exception) -> None:
        """Tell somebody who asked that the database is out of reach."""
        if self._is_addressed(message):
            text = sentence(error, detect_language(message.content))
            with contextlib.suppress(discord.HTTPException, *BROKEN):
                await message.reply(text)

    async def _parts(self, message: discord.Message) -> tuple[discord.Message, ...]:
        """The messages that are one post with this one, itself among them, oldest first."""
        if not self._bot.intents.message_content:
            return (message,)  # what was said around it cannot be read
        return await self._gathering.parts(message, self._bot.own_id)

    async def _add_to(self, parts: Sequence[discord.Message], *, asked_for: bool) -> bool:
        """Let the answer to some of these messages answer all; whether there is one."""
        answered = False
        for part in parts:
            for answer in await self._desk.store.by_post(part.id):
                if answer.text is None and answer.points_to is None:
                    answered = True
                    found = await self._responder.said(
                        part, asked_for, answer.language, before=answer
                    )
                    if found is not None and found.slug is not None:
                        await self._answers.replace(answer, part, found)
        return answered

    async def left_without(self, channel_id: int, message_id: int) -> None:
        """Let the answer to several messages, of which one is gone, answer the others."""
        around = self._gathering.forget(channel_id, message_id)
        for message in around:
            async with self._desk.lock(message.id):
                answers = await self._desk.store.by_post(message.id)
                await self._update(message, [one for one in answers if one.text is None])
        heard = {message.id for message in around}
        joined = await self._joined(message_id)
        await self._update_posts([one for one in joined if one.post_id not in heard])

    async def _joined(self, message_id: int) -> tuple[Answered, ...]:
        """The answers to several messages of which this is one, but not the one replied to."""
        joined = await self._desk.store.with_part(message_id, self._gathering.reach)
        return tuple(one for one in joined if one.post_id != message_id and one.text is None)

    async def _update_posts(self, answers: Sequence[Answered]) -> None:
        """Bring answers up to date of which another part than the post replied to has changed."""
        for answered in answers:
            message = await self._answers.post_of(answered)
            if message is not None:
                async with self._desk.lock(message.id):
                    await self._update(message, (answered,))
                await self._follow(answered)

    def _is_addressed(self, message: discord.Message) -> bool:
        """Whether the message speaks to the bot: a mention in its words, or a direct message.

        A reply that only pings the bot ("thanks!") does not.
        """
        me = self._bot.user
        return message.guild is None or (me is not None and me.id in message.raw_mentions)

    async def _answer_late(self, message: discord.Message) -> None:
        """Answer a message that got its words only now, unless that is too late."""
        if changed_at(message) - message.created_at <= _ADDED_LATER:
            parts = await self._parts(message)
            await self._answer(parts[-1], parts)

    async def _answer(self, message: discord.Message, parts: Sequence[discord.Message]) -> None:
        """Answer a post, of which `message` is the last part, when there is something to say."""
        addressed = any(map(self._is_addressed, parts))
        if not addressed and not self._bot.intents.message_content:
            return
        settings = await self._conduct.guilds.get(message.guild.id if message.guild else None)
        if not addressed and not may_answer_unasked(settings, message):
            return
        # One person's posts one after the other: the second may be the same problem again.
        async with self._desk.lock(message.author.id):
            if len(parts) > 1 and await self._add_to(parts, asked_for=addressed):
                return
            found = await self._responder.said(message, addressed, settings.language)
            if len(parts) > 1:  # the last of several speaks for all
                await self._desk.learned.drop(*(p.id for p in parts if p.id != message.id))
            if found is None or await self._desk.store.is_done(message.id):
                return
            found = self._admitted(message, addressed, found)
            if found is not None:
                await self._answers.send(message, found, settings.place, addressed=addressed)

    def _admitted(self, message: discord.Message, addressed: bool, found: Found) -> Found | None:
        """What may be said: when there was too much of it, only that, once, and if asked."""
        try:
            if addressed:
                self._conduct.admit_question(message)
            else:
                self._conduct.admit_post(message)
        except TooSoon as error:
            if not addressed or error.told:
                return None
            return sorry(message, error, found.language)
        return found

    async def _update(self, message: discord.Message, answers: Sequence[Answered]) -> None:
        """Bring the answers to an edited post up to date."""
        addressed = any(map(self._is_addressed, await self._parts(message)))
        if not addressed and not self._bot.intents.message_content:
            return  # the new words cannot be seen
        settings = await self._conduct.guilds.get(message.guild.id if message.guild else None)
        for answered in answers:
            # An answer with a text of its own was asked for by a menu, in that person's language.
            by_menu = answered.text is not None
            asked_for = addressed or by_menu
            language = answered.language if by_menu else settings.language
            try:
                found = await self._responder.find(
                    message, asked_for, language, answered.correction
                )
            except Exception as error:
                sentence(error, answered.language)  # the answer stays; the log has the reason
                continue
            if found is None:
                await self._answers.withdraw(answered)
                await self._desk.store.reopen(message.id)
            else:
                pointing = found if by_menu else await self._responder.pointing(message, found)
                await self._answers.replace(answered, message, pointing)

    async def _follow(self, before: Answered) -> None:
        """Where an answer says something else now, let those that point to it speak anew."""
        now = await self._desk.store.by_answer(before.answer_id)
        if before.problem is not None and (now is None or now.problem != before.problem):
            await self._follow_pointers(before.answer_id)

    async def _follow_pointers(self, answer_id: int) -> None:
        for pointer in await self._desk.store.pointing_to(answer_id):
            message = await self._answers.post_of(pointer)
            if message is not None:
                async with self._desk.lock(message.id):
                    await self._update(message, (pointer,))


def is_typed_by_a_person(message: discord.Message) -> bool:
    """Whether to take a message for a question: bots are never answered."""
    return not message.author.bot and message.webhook_id is None and message.type in _TYPED
