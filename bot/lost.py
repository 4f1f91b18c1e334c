"""Forms and buttons that the bot does not know any more: from before a restart or an update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import discord

from bot.delivery import NobodyWaits, acknowledge
from bot.locale import language_of, say
from bot.persistent import PersistentItem
from bot.reply import Attached, Reply
from bot.trouble import apologize

if TYPE_CHECKING:
    from bot.client import TutorBot


async def answer_lost(
    asked: discord.Interaction[TutorBot], known: Sequence[type[PersistentItem[Any]]]
) -> None:
    """Answer an interaction that nobody else will; leave the others alone.

    `known` are the buttons and menus that answer by themselves.
    """
    data: Mapping[str, Any] = asked.data or {}
    custom_id = str(data.get("custom_id"))
    match asked.type:
        case discord.InteractionType.modal_submit:
            if not any(form.custom_id == custom_id for form in asked.client.desk.forms):
                await _tell(asked, _given_back(asked, data))
        case discord.InteractionType.component:
            if not any(kind.is_named(custom_id) for kind in known):
                await _tell(
                    asked, Reply(say(language_of(asked.locale.value), "trouble.lost_button"))
                )


def _given_back(asked: discord.Interaction[TutorBot], data: Mapping[str, Any]) -> Reply:
    """What was typed into a form: Discord closes it when it is answered, text and all."""
    typed = "\n\n".join(filter(str.strip, _typed(data.get("components") or ())))
    files = (Attached("form.txt", typed.encode()),) if typed else ()
    return Reply(say(language_of(asked.locale.value), "trouble.lost_form"), attached=files)


async def _tell(asked: discord.Interaction[TutorBot], reply: Reply) -> None:
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
