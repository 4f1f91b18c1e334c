"""`/tutor forget-me`: asks once, then deletes all that is stored about the person who asks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import discord
from discord.ui import Button, Item, View

from bot.delivery import acknowledge, deliver
from bot.forget import forget_person
from bot.locale import language_of, say
from bot.persistent import PersistentButton
from bot.reply import Reply
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

Asked: TypeAlias = "discord.Interaction[TutorBot]"


async def ask_first(asked: Asked) -> None:
    """Say what would be deleted, with the button that does it. Answers the interaction."""
    language = language_of(asked.locale.value)
    view = View(timeout=None)
    view.add_item(ForgetButton(language))
    text = say(language, "forget.ask")
    await acknowledge(asked, lambda: asked.response.send_message(text, view=view, ephemeral=True))


async def forget(asked: Asked) -> None:
    """Delete all about the one who pressed, and say how much it was. Answers the interaction."""
    await acknowledge(asked, asked.response.defer)
    desk = asked.client.desk
    async with desk.lock(asked.user.id):  # an answer on its way to them is written down first
        gone = await forget_person(desk.store.database, asked.user.id)
    language = language_of(asked.locale.value)
    counts = {name: getattr(gone, name) for name in ("answers", "posts", "votes", "gaps")}
    await deliver(asked, Reply(say(language, "forget.done", **counts)), View(timeout=None))


class ForgetButton(PersistentButton, template=r"tutor:forget-me"):
    """Deletes all about the person who presses it."""

    def __init__(self, language: Language) -> None:
        super().__init__(
            Button(
                style=discord.ButtonStyle.danger,
                label=say(language, "button.forget"),
                custom_id="tutor:forget-me",
            )
        )

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(language_of(interaction.locale.value))

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Forget."""
        await forget(interaction)
