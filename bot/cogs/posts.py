"""Messages: tracebacks that are posted, mentions, and what becomes of a post afterwards."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.inputs import InputError
from bot.render import unsure
from bot.reply import Reply
from bot.store import Answered
from bot.trouble import sentence
from bot.views import delete_view
from knowledge.language import Language, detect_language

if TYPE_CHECKING:
    from bot.client import TutorBot

_log = logging.getLogger(__name__)

_TYPED = frozenset({discord.MessageType.default, discord.MessageType.reply})
_ADDED_LATER = timedelta(minutes=15)
"""How long after posting a traceback may be edited into a post and still be answered."""


@dataclass(frozen=True)
class _Found:
    """What to say about a post."""

    reply: Reply
    view: discord.ui.View
    language: Language
    slug: str | None


class PostsCog(commands.Cog):
    """Answers posts, keeps each answer up to date, and takes it away with its post."""

    def __init__(self, bot: TutorBot) -> None:
        self._bot = bot
        self._desk = bot.desk

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Called by discord.py for every message that the bot can see."""
        if _is_typed_by_a_person(message):
            async with self._desk.lock(message.id):
                await self._answer(message)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        """Called by discord.py for edits, and also when Discord adds a preview to a link."""
        message = event.message
        if message.edited_at is None or not _is_typed_by_a_person(message):
            return
        async with self._desk.lock(message.id):
            answers = await self._desk.store.by_post(message.id)
            if answers:
                await self._update(message, answers)
            elif message.edited_at - message.created_at <= _ADDED_LATER:
                await self._answer(message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        """Called by discord.py when a message is deleted, seen before or not."""
        self._desk.underway.stop(event.message_id)
        await self._withdraw_all(event.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        """Called by discord.py when many messages are deleted at once."""
        for message_id in event.message_ids:
            self._desk.underway.stop(message_id)
            await self._withdraw_all(message_id)

    def _is_addressed(self, message: discord.Message) -> bool:
        """Whether the message speaks to the bot: a mention in its words, or a direct message.

        A reply that only pings the bot ("thanks!") does not.
        """
        me = self._bot.user
        return message.guild is None or (me is not None and me.id in message.raw_mentions)

    async def _answer(self, message: discord.Message) -> None:
        """Answer a post, when there is something to say."""
        addressed = self._is_addressed(message)
        if not addressed and not self._bot.intents.message_content:
            return
        try:
            found = await self._find(message, addressed)
        except Exception as error:
            await self._excuse(message, error, addressed)
            return
        if found is None:
            return
        try:
            sent = await message.reply(
                found.reply.content or None,
                embeds=list(found.reply.embeds),
                files=found.reply.files(),
                view=found.view,
            )
        except discord.HTTPException as error:
            # The post is gone already, or the bot may not write here: there is nobody to tell.
            _log.info("No answer in channel %s: %s", message.channel.id, error.text)
            return
        await self._desk.store.remember(
            Answered(
                answer_id=sent.id,
                channel_id=sent.channel.id,
                asker_id=message.author.id,
                language=found.language,
                post_id=message.id,
                slug=found.slug,
            )
        )

    async def _find(
        self, message: discord.Message, asked_for: bool, language: Language | None = None
    ) -> _Found | None:
        """What to say about a post; None for silence, which nobody gets who asked.

        Raises InputError for a file that cannot be read.
        """
        intake = self._desk.intake
        # A mention may point at the post that it replies to; other replies speak for themselves.
        text = await (intake.text(message) if asked_for else intake.own_text(message))
        if not text.strip():
            spoken = language or Language.EN
            if not asked_for:
                return None
            return _Found(unsure(spoken, ()), delete_view(message.author.id, spoken), spoken, None)
        answer = await self._desk.tutor.answer(text, language)
        if answer.explanation is None and not asked_for:
            return None
        reply, view = self._desk.compose(answer, message.author.id)
        slug = answer.explanation.slug if answer.explanation else None
        return _Found(reply, view, answer.language, slug)

    async def _update(self, message: discord.Message, answers: Sequence[Answered]) -> None:
        """Bring the answers to an edited post up to date."""
        addressed = self._is_addressed(message)
        if not addressed and not self._bot.intents.message_content:
            return  # the new words cannot be seen
        for answered in answers:
            # An answer with a text of its own was asked for by a menu, in that person's language.
            by_menu = answered.text is not None
            try:
                found = await self._find(
                    message, addressed or by_menu, answered.language if by_menu else None
                )
            except Exception as error:
                sentence(error, answered.language)  # the answer stays; the log has the reason
                continue
            if found is None:
                await self._withdraw(answered)
            else:
                await self._replace(answered, found)

    async def _replace(self, answered: Answered, found: _Found) -> None:
        channel = self._bot.get_partial_messageable(answered.channel_id)
        try:
            await channel.get_partial_message(answered.answer_id).edit(
                content=found.reply.content or None,
                embeds=list(found.reply.embeds),
                attachments=found.reply.files(),
                view=found.view,
            )
        except discord.HTTPException as error:
            _log.info("Could not edit answer %s: %s", answered.answer_id, error.text)
            return
        await self._desk.store.remember(
            dataclasses.replace(answered, language=found.language, slug=found.slug)
        )

    async def _withdraw_all(self, message_id: int) -> None:
        """Take away the answers to a deleted post; forget the message if it was an answer."""
        async with self._desk.lock(message_id):
            for answered in await self._desk.store.by_post(message_id):
                await self._withdraw(answered)
            await self._desk.store.forget(message_id)

    async def _withdraw(self, answered: Answered) -> None:
        channel = self._bot.get_partial_messageable(answered.channel_id)
        try:
            await channel.get_partial_message(answered.answer_id).delete()
        except discord.HTTPException as error:
            _log.info("Could not delete answer %s: %s", answered.answer_id, error.text)
        await self._desk.store.forget(answered.answer_id)

    async def _excuse(self, message: discord.Message, error: Exception, addressed: bool) -> None:
        """Say what went wrong, but only to somebody who spoke to the bot."""
        if isinstance(error, InputError) and not addressed:
            return
        text = sentence(error, detect_language(message.content))
        if not addressed:
            return
        try:
            await message.reply(text)
        except discord.HTTPException as failure:
            _log.info("No answer in channel %s: %s", message.channel.id, failure.text)


def _is_typed_by_a_person(message: discord.Message) -> bool:
    return not message.author.bot and message.webhook_id is None and message.type in _TYPED
