"""Where the commands can be used: in servers that the bot is in, and wherever a person takes it."""

from __future__ import annotations

from typing import Any, Final

import discord
from discord import app_commands

INSTALLS: Final = app_commands.AppInstallationType(guild=True, user=True)
"""A server can install the bot, and so can a person for themselves."""
CONTEXTS: Final = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
"""Servers, direct messages with the bot, and conversations of people among themselves."""


def is_reachable(asked: discord.Interaction[Any]) -> bool:
    """Whether the bot itself is in the channel, and not only brought along by a person.

    Where it is not, it can answer through the interaction and read what came with it, no more.
    """
    return asked.is_guild_integration() or asked.context.dm_channel is True
