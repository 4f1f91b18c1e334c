"""What to say about a post: the answer, a pointer to an earlier one, a sentence, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.answers import Found
from bot.conduct import problem_of
from bot.inputs import InputError
from bot.locale import say
from bot.render import unsure
from bot.reply import Reply
from bot.store import Answered, Correction
from bot.trouble import sentence
from bot.views import delete_view
from knowledge.language import Language, detect_language

if TYPE_CHECKING:
    from bot.client import TutorBot


class Responder:
    """Reads posts and finds what to say about them; sends nothing."""

    def __init__(self, bot: TutorBot) -> None:
        self._bot = bot
        self._desk = bot.desk

    async def said(
        self,
        message: discord.Message,
        addressed: bool,
        language: Language | None,
        *,
        before: Answered | None = None,
    ) -> Found | None:
        """What to say about a post: the answer, a pointer to it, or what went wrong.

        `before` is an answer that is there already, to which nothing points.
        """
        correction = before.correction if before else None
        try:
            found = await self.find(message, addressed, language, correction)
        except Exception as error:
            spoken = language or detect_language(message.content)
            if isinstance(error, InputError) and not addressed:
                return None
            told = sorry(message, error, spoken)
            return told if addressed else None
        return await self.pointing(message, found) if found and not before else found

    async def find(
        self,
        message: discord.Message,
        asked_for: bool,
        language: Language | None,
        correction: Correction | None,
    ) -> Found | None:
        """What to say about a post; None for silence, which nobody gets who asked.

        Raises InputError for a file that cannot be read.
        """
        me = self._bot.own_id
        taken = await self._desk.gathering.take(message, me, asked_for=asked_for)
        taken = taken.corrected(correction)
        if not taken.text.strip():
            spoken = language or Language.EN
            if not asked_for:
                return None
            return Found(unsure(spoken, ()), delete_view(message.author.id, spoken), spoken)
        answer = await self._desk.tutor.answer(taken.text, language)
        if asked_for or answer.post.errors:
            guild_id = message.guild.id if message.guild else None
            await self._desk.learn(answer, message.id, guild_id, message.author.id)
        if answer.explanation is None and not asked_for:
            return None
        reply, view = self._desk.compose(answer, message.author.id, taken.seen)
        explanation = answer.explanation
        return Found(
            reply,
            view,
            answer.language,
            slug=explanation.slug if explanation else None,
            problem=problem_of(answer),
            title=explanation.title if explanation else "",
            text=taken.text,
            parts=taken.parts,
        )

    async def pointing(self, message: discord.Message, found: Found) -> Found:
        """A pointer, where the same person got an answer to the same problem a moment ago."""
        if found.problem is None or message.guild is None:
            return found
        since = message.created_at - self._desk.conduct.rules.repeats
        first = await self._desk.store.first_of_problem(
            message.guild.id,
            message.author.id,
            found.problem,
            after=discord.utils.time_snowflake(since),
            before=message.id,
        )
        if first is None:
            return found
        place = self._bot.get_partial_messageable(first.channel_id, guild_id=first.guild_id)
        link = place.get_partial_message(first.answer_id).jump_url
        return Found(
            Reply(say(found.language, "answer.same_problem", link=link)),
            delete_view(message.author.id, found.language),
            found.language,
            points_to=first.answer_id,
            title=found.title,
            text=found.text,
            parts=found.parts,
        )


def sorry(message: discord.Message, error: Exception, language: Language) -> Found:
    """What went wrong, in a sentence."""
    view = delete_view(message.author.id, language)
    return Found(Reply(sentence(error, language)), view, language)
