"""/tutor: what a group decides about its tutor. Each further subcommand is a method here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.panel import open_panel
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
