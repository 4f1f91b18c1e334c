"""The form that asks for a text: a field to paste into, and a place for a file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import discord
from discord.ui import FileUpload, Label, Modal, TextInput

from bot import reply as limits
from bot.fence import units
from bot.locale import say
from bot.trouble import apologize
from knowledge.language import Language

if TYPE_CHECKING:
    from bot.client import TutorBot

Submitted: TypeAlias = Callable[
    ["discord.Interaction[TutorBot]", str, discord.Attachment | None], Awaitable[None]
]
"""What happens with a form: the interaction to answer, the text, and the file if there is one."""


_KEPT_S = 3_600.0
"""Seconds for which a form is remembered; nobody learns that one was put away."""


class Purpose(StrEnum):
    """What a form is for; names its texts in bot/locales."""

    EXPLAIN = "explain"
    RUN = "run"
    CONFIRM = "confirm"
    CORRECT = "correct"


class Form(Modal):
    """Asks for a text or a file and hands both on.

    `prefill` is put into the field; one that is too long for Discord is left out, and the form
    says so.
    """

    def __init__(
        self, purpose: Purpose, language: Language, submitted: Submitted, prefill: str = ""
    ) -> None:
        super().__init__(title=say(language, f"modal.{purpose}.title"), timeout=_KEPT_S)
        self._submitted = submitted
        fits = units(prefill) <= limits.MODAL_TEXT
        self._text: TextInput[Form] = TextInput(
            style=discord.TextStyle.paragraph,
            custom_id="text",
            placeholder=say(language, f"modal.{purpose}.placeholder"),
            default=prefill if prefill and fits else None,
            max_length=limits.MODAL_TEXT,
            required=False,
        )
        self._files: FileUpload[Form] = FileUpload(custom_id="file", required=False, max_values=1)
        described = f"modal.{purpose}.description" if fits else "modal.too_long"
        self.add_item(
            Label(
                text=say(language, f"modal.{purpose}.label"),
                description=say(language, described),
                component=self._text,
            )
        )
        self.add_item(Label(text=say(language, f"modal.{purpose}.file"), component=self._files))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        """Called by discord.py with the filled form."""
        file = self._files.values[0] if self._files.values else None
        await self._submitted(interaction, self._text.value, file)

    async def on_error(  # type: ignore[override]  # discord.py narrows it for forms, too
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """Called by discord.py when something failed after the form was sent."""
        await apologize(interaction, error)
