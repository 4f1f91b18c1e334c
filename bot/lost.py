"""Forms that the bot does not know any more: opened before a restart, or too long ago."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import discord

from bot.delivery import NobodyWaits, acknowledge
from bot.locale import language_of, say
from bot.reply import Attached, Reply
from bot.trouble import apologize

if TYPE_CHECKING:
    from bot.client import TutorBot


async def answer_lost_form(asked: discord.Interaction[TutorBot]) -> None:
    """Give back what was typed into a form that nobody waits for; other interactions stay alone.

    Discord closes a form that is answered, and with it goes the text.
    """
    if asked.type is not discord.InteractionType.modal_submit:
        return
    data: Mapping[str, Any] = asked.data or {}
    if any(form.custom_id == data.get("custom_id") for form in asked.client.desk.forms):
        return
    typed = "\n\n".join(filter(str.strip, _typed(data.get("components") or ())))
    files = (Attached("form.txt", typed.encode()),) if typed else ()
    reply = Reply(say(language_of(asked.locale.value), "trouble.lost_form"), attached=files)
    try:
        await acknowledge(
            asked,
            lambda: asked.response.send_message(reply.content, files=reply.files(), ephemeral=True),
        )
    except NobodyWaits:
        return
    except Exception as error:
        await apologize(asked, error)


def _typed(components: object) -> Iterator[str]:
    """All texts of a form, in order."""
    for component in components if isinstance(components, list) else ():
        if isinstance(component, dict):
            if isinstance(component.get("value"), str):
                yield component["value"]
            yield from _typed(component.get("components"))
            yield from _typed([component.get("component")])
