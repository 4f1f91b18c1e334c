"""/tutor: what a group decides about its tutor. Each further subcommand is a method here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.forgetting import ask_first
from bot.gap_list import open_gaps
from bot.panel import open_panel
from bot.teaching import ask_lesson, export
from bot.translate import localized

if TYPE_CHECKING:
    from bot.client import TutorBot


class TutorCog(
    commands.GroupCog,
    group_name=localized("command.tutor.name"),
    group_description=localized("command.tutor.description"),
):
    """The subcommands of /tutor.

    Discord knows permissions for the whole command only, and some subcommands are for everybody,
    so each checks for itself who may use it.
    """

    @app_commands.command(
        name=localized("command.tutor_settings.name"),
        description=localized("command.tutor_settings.description"),
    )
    async def settings(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the settings, for those who may manage the server."""
        await open_panel(interaction)

    @app_commands.command(
        name=localized("command.tutor_gaps.name"),
        description=localized("command.tutor_gaps.description"),
    )
    async def gaps(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Show what nobody could answer, to those who may manage messages."""
        await open_gaps(interaction)

    @app_commands.command(
        name=localized("command.tutor_teach.name"),
        description=localized("command.tutor_teach.description"),
    )
    async def teach(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Open the form for an entry of the group's own, for those who may manage the server."""
        await ask_lesson(interaction)

    @app_commands.command(
        name=localized("command.tutor_export.name"),
        description=localized("command.tutor_export.description"),
    )
    async def export(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Hand over the group's own entries, to those who may manage the server."""
        await export(interaction)

    @app_commands.command(
        name=localized("command.tutor_forget.name"),
        description=localized("command.tutor_forget.description"),
    )
    async def forget_me(self, interaction: discord.Interaction[TutorBot]) -> None:
        """Delete what is stored about somebody, once they confirmed it."""
        await ask_first(interaction)
