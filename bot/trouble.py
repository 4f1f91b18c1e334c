"""What a person is told when something fails: a sentence, and a number that stands in the log."""

from __future__ import annotations

import logging
import secrets
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.fence import one_line
from bot.inputs import InputError
from bot.locale import catalogue, language_of, say
from bot.tutor import NotProvable, UnknownEntry
from knowledge.language import Language
from sandbox.runner import DeviceUnavailable, SandboxError
from sandbox.waiting import TooManyRuns

_log = logging.getLogger(__name__)

_NAMES = {
    "the post": "name.post",
    "the snippet": "name.snippet",
    "the code to confirm": "name.confirm",
}
"""What the service calls its inputs; a file has its own name."""


def sentence(error: BaseException, language: Language) -> str:
    """What happened and what to do now. An error that nobody foresaw goes to the log with an id."""
    match error:
        case app_commands.CommandInvokeError():
            return sentence(error.original, language)
        case InputError():
            return _about_input(error, language)
        case NotProvable():
            return say(language, "trouble.not_provable", reason=error)
        case UnknownEntry():
            return say(language, "trouble.unknown_entry")
        case DeviceUnavailable():
            device = say(language, f"device.{error.device}")
            return say(language, "trouble.device", device=device)
        case TooManyRuns():
            return say(language, f"trouble.too_many.{error.reason}", most=str(error.most))
        case SandboxError():
            _log.warning("The sandbox refused a run: %s", error)
            return say(language, "trouble.sandbox", reason=error)
    number = secrets.token_hex(4)
    _log.error("Trouble %s", number, exc_info=error)
    return say(language, "trouble.unexpected", id=number)


def _about_input(error: InputError, language: Language) -> str:
    key = f"input.{error.key}"
    if key not in catalogue(language):
        return str(error)
    fields = dict(error.values)
    if "name" in fields:
        name = fields["name"]
        known = _NAMES.get(name)
        fields["name"] = say(language, known) if known else one_line(name, 100)
    return say(language, key, **fields)


async def apologize(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tell the person who pressed or typed, where only they see it when that is still possible."""
    text = sentence(error, language_of(interaction.locale.value))
    try:
        if not interaction.response.is_done():
            await interaction.response.send_message(text, ephemeral=True)
        elif interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
            await interaction.edit_original_response(content=text, embeds=[], view=None)
        else:
            await interaction.followup.send(text, ephemeral=True)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as failure:
        # Only its kind: the address of an interaction holds the interaction's token.
        _log.warning("Could not tell about the trouble: %s", type(failure).__name__)
