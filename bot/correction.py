"""What was read from a picture: shown under the answer, and corrected by the person who knows."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Final, TypeAlias

import discord

from bot.conduct import problem_of
from bot.delivery import acknowledge, defer, deliver, open_form
from bot.fence import Keep, fenced
from bot.inputs import InputError, require_text
from bot.intake import Taken
from bot.locale import language_of, say
from bot.modals import Form, Purpose
from bot.recall import pressed
from bot.reply import Reply, within_limits
from bot.store import Answered, Correction
from bot.views import CorrectButton
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot
    from bot.desk import Desk

Asked: TypeAlias = "discord.Interaction[TutorBot]"

_SHOWN: Final = 1_800
"""UTF-16 units of a text that are shown; of a longer one its end, where the error stands."""
_OPENING, _CLOSING = "||```\n", "\n```||"
_GREY: Final = discord.Colour(0x6B7280)


def with_seen(
    reply: Reply, view: discord.ui.View, seen: str, language: Language
) -> tuple[Reply, discord.ui.View]:
    """An answer with the text that it rests on, hidden until somebody looks, and its button."""
    if not seen:
        return reply, view
    view.add_item(CorrectButton(language))
    # Two bars would end the hiding.
    block = fenced(seen.replace("||", "| |"), _SHOWN, keep=Keep.TAIL)
    embed = discord.Embed(
        title=say(language, "seen.title"), description=f"||{block.text}||", colour=_GREY
    )
    return dataclasses.replace(reply, embeds=within_limits((*reply.embeds, embed))), view


def seen_in(message: discord.Message) -> str:
    """The text that an answer shows as read; empty when it shows none."""
    for embed in message.embeds:
        text = embed.description or ""
        if text.startswith(_OPENING) and text.endswith(_CLOSING):
            return text.removeprefix(_OPENING).removesuffix(_CLOSING)
    return ""


async def correct(desk: Desk, asked: Asked, language: Language) -> None:
    """Open a form with the text that was read. Answers the interaction.

    What the asker sends changes the answer in its place; to anybody else it is answered alone.
    """
    answer = pressed(asked)
    answered = await desk.store.by_answer(answer.id)
    is_asker = answered is not None and answered.asker_id == asked.user.id
    own = language_of(asked.locale.value)

    async def submitted(sent: Asked, text: str, file: discord.Attachment | None) -> None:
        if file is None:
            require_text(text, "the post")
        else:
            desk.intake.require_size(file)
        if is_asker:
            await acknowledge(sent, sent.response.defer)
        else:
            await defer(sent, ephemeral=True)
        says = (await desk.intake.file(file)).text if file is not None else text
        # An edit of the post waits until the correction is written down.
        async with desk.lock((answered and answered.post_id) or sent.id):
            before = await desk.store.by_answer(answer.id)
            post = await _post_of(desk, sent, before)
            taken = dataclasses.replace(post, seen=says) if post.seen else Taken(seen=says)
            new = await desk.tutor.answer(taken.text, language if is_asker else own)
            reply, view = desk.compose(new, sent.user.id, taken.seen)
            delivered = await deliver(sent, reply, view)
            if before is None:
                return
            # A post that can be read again keeps its other words, also when they are edited.
            kept = is_asker and before.text is None and bool(post.seen)
            await desk.store.remember(
                dataclasses.replace(
                    before,
                    answer_id=delivered.id,
                    asker_id=sent.user.id,
                    language=new.language,
                    slug=new.explanation.slug if new.explanation else None,
                    text=None if kept else taken.text,
                    problem=problem_of(new) if kept else None,
                    correction=Correction.of(post.seen, says) if post.seen else None,
                )
            )

    await open_form(asked, Form(Purpose.CORRECT, own, submitted, seen_in(answer)))


async def _post_of(desk: Desk, sent: Asked, answered: Answered | None) -> Taken:
    """What the answered post hands in, as the bot reads it; empty where it cannot be read."""
    if answered is not None:
        with contextlib.suppress(InputError):
            return await desk.recall.taken_again(sent, answered)
    return Taken()
