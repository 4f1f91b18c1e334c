"""/explain, and "Explain this error" on a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.delivery import defer, open_form
from bot.inputs import InputError
from bot.install import is_reachable
from bot.locale import language_of
from bot.modals import Form, Purpose
from bot.translate import localized

if TYPE_CHECKING:
    from bot.client import TutorBot


class ExplainCog(commands.Cog):
    """Explains what somebody hands in."""

    def __init__(self, bot: TutorBot) -> None:
        self._desk = bot.desk
        self._menu = app_commands.ContextMenu(
            name=localized("menu.explain"), callback=self.explain_message
        )
        self._tree = bot.tree

    async def cog_load(self) -> None:
        """Called by discord.py. Menus, unlike commands, are not added on their own."""
        self._tree.add_command(self._menu)

    @app_commands.command(
        name=localized("command.explain.name"),
        description=localized("command.explain.description"),
    )
    @app_commands.rename(
        text=localized("command.explain.text.name"), file=localized("command.explain.file.name")
    )
    @app_commands.describe(
        text=localized("command.explain.text.description"),
        file=localized("command.explain.file.description"),
    )
    async def explain(
        self,
        interaction: discord.Interaction[TutorBot],
        text: str | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        """Explain a text or a file; open a form when neither is given."""
        if text is None and file is None:
            language = language_of(interaction.locale.value)
            await open_form(interaction, Form(Purpose.EXPLAIN, language, self._explain))
        else:
            await self._explain(interaction, text or "", file)

    async def _explain(
        self,
        interaction: discord.Interaction[TutorBot],
        text: str,
        file: discord.Attachment | None,
    ) -> None:
        await self._desk.explain(interaction, await self._desk.receive(interaction, text, file))

    async def explain_message(
        self, interaction: discord.Interaction[TutorBot], message: discord.Message
    ) -> None:
        """Explain a message, or the one that it replies to."""
        await defer(interaction)
        taken = await self._desk.intake.take(message, reachable=is_reachable(interaction))
        if not taken.text.strip():
            raise InputError("no_text", "The message holds no text.")
        await self._desk.explain(interaction, taken, post_id=message.id)
