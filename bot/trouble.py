"""What a person is told when something fails: a sentence, and a number that stands in the log."""

from __future__ import annotations

import logging
import math
import secrets
from typing import Any

import aiohttp
import discord
from discord import app_commands
from sqlalchemy.exc import SQLAlchemyError

from bot.conduct import NotAllowed, TooSoon
from bot.delivery import NobodyWaits, TooLate, tell
from bot.fence import inline, one_line
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
        case TooSoon():
            when = f"<t:{math.ceil(error.until.timestamp())}:R>"
            return say(language, "trouble.too_soon", when=when)
        case NotAllowed():
            role = f"<@&{error.role}>"
            return say(language, f"trouble.not_allowed.{error.right}", role=role)
        case TooLate():
            return say(language, "trouble.too_late")
        case discord.Forbidden():
            _log.warning("Discord forbids: %s", error.text)
            return say(language, "trouble.forbidden")
        case discord.DiscordServerError() | aiohttp.ClientError() | TimeoutError():
            # Only its kind: the address of an interaction holds the interaction's token.
            _log.warning("Discord is out of order: %s", type(error).__name__)
            return say(language, "trouble.discord")
        case SQLAlchemyError() | ConnectionError():
            # Not the whole: it would hold what was to be written down.
            _log.error("The database is out of reach: %s", getattr(error, "orig", error))
            return say(language, "trouble.database")
        case SandboxError():
            _log.warning("The sandbox refused a run: %s", error)
            return say(language, "trouble.sandbox", reason=inline(str(error), 500))
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
    if isinstance(error, app_commands.CommandInvokeError):
        error = error.original
    try:
        if isinstance(error, NobodyWaits):
            raise error
        await tell(interaction, sentence(error, language_of(interaction.locale.value)))
    except NobodyWaits as nobody:
        _log.info("%s", nobody)
