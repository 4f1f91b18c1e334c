"""/run, and "Run this code" on a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.delivery import defer, open_form
from bot.inputs import InputError
from bot.install import is_reachable
from bot.intake import code_of
from bot.locale import language_of
from bot.modals import Form, Purpose
from bot.translate import localized
from sandbox.protocol import Device

if TYPE_CHECKING:
    from bot.client import TutorBot


class RunCog(commands.Cog):
    """Runs what somebody hands in."""

    def __init__(self, bot: TutorBot) -> None:
        self._desk = bot.desk
        self._menu = app_commands.ContextMenu(name=localized("menu.run"), callback=self.run_message)
        self._tree = bot.tree

    async def cog_load(self) -> None:
        """Called by discord.py. Menus, unlike commands, are not added on their own."""
        self._tree.add_command(self._menu)

    @app_commands.command(
        name=localized("command.run.name"), description=localized("command.run.description")
    )
    @app_commands.rename(
        code=localized("command.run.code.name"),
        file=localized("command.run.file.name"),
        device=localized("command.run.device.name"),
        check=localized("command.run.check.name"),
    )
    @app_commands.describe(
        code=localized("command.run.code.description"),
        file=localized("command.run.file.description"),
        device=localized("command.run.device.description"),
        check=localized("command.run.check.description"),
    )
    @app_commands.choices(
        device=[
            app_commands.Choice(name=localized(f"device.{device}"), value=device.value)
            for device in Device
        ]
    )
    async def run(
        self,
        interaction: discord.Interaction[TutorBot],
        code: str | None = None,
        file: discord.Attachment | None = None,
        device: str = Device.CPU.value,
        check: bool = False,
    ) -> None:
        """Run code or a file; open a form when neither is given."""
        await self._desk.conduct.require_run(interaction, Device(device))

        async def submitted(
            sent: discord.Interaction[TutorBot], text: str, given: discord.Attachment | None
        ) -> None:
            handed_in = await self._desk.receive_code(sent, text, given)
            await self._desk.run(sent, handed_in, Device(device), check=check)

        if code is None and file is None:
            language = language_of(interaction.locale.value)
            await open_form(interaction, Form(Purpose.RUN, language, submitted))
        else:
            await submitted(interaction, code or "", file)

    async def run_message(
        self, interaction: discord.Interaction[TutorBot], message: discord.Message
    ) -> None:
        """Run the code of a message, or of the one that it replies to."""
        await self._desk.conduct.require_run(interaction)
        await defer(interaction)
        taken = await self._desk.intake.take(message, reachable=is_reachable(interaction))
        code = await code_of(taken.text)
        if code is None:
            raise InputError("no_code", "The message holds no Python code.")
        await self._desk.run(interaction, code, post_id=message.id)
