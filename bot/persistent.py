"""The buttons and menus under the bot's messages. All that one needs stands in its custom_id, so
that it goes on working after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import discord
from discord.ui import Button, DynamicItem, Item, View

from bot.trouble import apologize

if TYPE_CHECKING:
    from bot.client import TutorBot

Shown = TypeVar("Shown", bound=Item[View])


class PersistentItem(DynamicItem[Shown], Generic[Shown], template="tutor:nothing"):
    """Something under a message that a person uses; a failure becomes a sentence for that one."""

    limited: ClassVar[bool] = True
    """Whether its use counts towards how much one person may ask for."""

    @classmethod
    def is_named(cls, custom_id: str) -> bool:
        """Whether an item with this custom_id is of this kind."""
        return cls.__discord_ui_compiled_template__.fullmatch(custom_id) is not None

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Called by discord.py when somebody uses it."""
        try:
            if self.limited:
                interaction.client.desk.conduct.admit(interaction)
            await self.act(interaction)
        except Exception as error:
            await apologize(interaction, error)

    async def act(self, interaction: discord.Interaction[TutorBot]) -> None:
        """What it does. Answers the interaction."""
        raise NotImplementedError


class PersistentButton(PersistentItem[Button[View]], template="tutor:nothing"):
    """A button."""
