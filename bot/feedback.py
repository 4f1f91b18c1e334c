"""👍 and 👎 under an answer, and what it really was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias

import discord
from discord.ui import Label, Modal, TextInput

from bot.delivery import acknowledge, open_form, tell
from bot.inputs import InputError
from bot.learned import LONGEST_REMARK, Vote, gap_of
from bot.locale import language_of, say
from bot.recall import pressed
from bot.trouble import apologize
from knowledge.language import Language
from knowledge.post import parse

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"


async def vote(asked: Asked, slug: str, language: Language, *, helpful: bool) -> None:
    """Take somebody's vote on the answer whose button they pressed. Answers the interaction.

    One who says that it did not help is asked what it was, where mentors can read that.
    """
    answer = pressed(asked)
    guild_id = asked.guild_id if asked.is_guild_integration() else None
    cast = Vote(answer.id, asked.user.id, slug, language, helpful, guild_id)
    await asked.client.desk.learned.vote(cast)
    spoken = language_of(asked.locale.value)
    if helpful or guild_id is None:
        thanks = say(spoken, f"vote.thanks.{'up' if helpful else 'down'}")
        await acknowledge(asked, lambda: asked.response.send_message(thanks, ephemeral=True))
        return
    await open_form(asked, RemarkForm(answer.id, spoken))
    await _note(asked, answer, guild_id)


async def _note(asked: Asked, answer: discord.Message, guild_id: int) -> None:
    """Keep the post for the mentors, where the server allows that."""
    desk = asked.client.desk
    answered = await desk.store.by_answer(answer.id)
    if answered is None or not (await desk.conduct.guilds.get(guild_id)).store_posts:
        return
    try:
        text = await desk.recall.text_behind(asked, answer)
    except InputError:
        return  # the post is gone, so there is nothing to learn from
    post = await asyncio.to_thread(parse, text)
    gap = await asyncio.to_thread(
        gap_of, post, answer.id, guild_id, answered.asker_id, answer_id=answer.id
    )
    await desk.learned.note(gap)


class RemarkForm(Modal):
    """Asks what it really was; to send it empty is fine."""

    def __init__(self, answer_id: int, language: Language) -> None:
        super().__init__(title=say(language, "modal.remark.title"))
        self._answer_id = answer_id
        self._language = language
        self._text: TextInput[RemarkForm] = TextInput(
            custom_id="text",
            placeholder=say(language, "modal.remark.placeholder"),
            max_length=LONGEST_REMARK,
            required=False,
        )
        label = say(language, "modal.remark.label")
        described = say(language, "modal.remark.description")
        self.add_item(Label(text=label, description=described, component=self._text))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Called by discord.py with the filled form."""
        learned = interaction.client.desk.learned
        await learned.remark(self._answer_id, interaction.user.id, self._text.value)
        await tell(interaction, say(self._language, "vote.thanks.down"))

    async def on_error(  # type: ignore[override]  # discord.py narrows it for forms, too
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Called by discord.py when something failed after the form was sent."""
        await apologize(interaction, error)
