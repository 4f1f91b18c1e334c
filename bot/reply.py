"""One message of the bot, ready to send, and the limits that Discord sets on it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import discord

from bot.fence import units

CONTENT = 2_000
TITLE = 256
DESCRIPTION = 4_096
FIELD = 1_024
FOOTER = 2_048
EMBEDS = 6_000
"""All texts of all embeds of a message together."""
FILES = 10
BYTES = 8_000_000
"""All files of a message together; Discord takes 10 MiB with everything around them."""
LABEL = 80
THREAD = 100
"""The name of a thread."""
CUSTOM_ID = 100
MODAL_TEXT = 4_000


def embed_units(embed: discord.Embed) -> int:
    """How much of `EMBEDS` an embed takes, in UTF-16 units: never less than Discord counts."""
    fields = [text or "" for field in embed.fields for text in (field.name, field.value)]
    texts = [embed.title or "", embed.description or "", embed.footer.text or "", *fields]
    return sum(map(units, texts))


def within_limits(embeds: Iterable[discord.Embed | None]) -> tuple[discord.Embed, ...]:
    """As many embeds, the most important first, as one message may hold; None is left out."""
    kept: list[discord.Embed] = []
    room = EMBEDS
    for embed in embeds:
        if embed is not None and embed_units(embed) <= room:
            room -= embed_units(embed)
            kept.append(embed)
    return tuple(kept)


@dataclass(frozen=True)
class Attached:
    """A file that goes with a message."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Reply:
    """What one message of the bot says and shows, without its buttons."""

    content: str = ""
    embeds: tuple[discord.Embed, ...] = ()
    attached: tuple[Attached, ...] = ()

    def files(self) -> list[discord.File]:
        """The files in the form that discord.py sends; each can be sent once."""
        return [discord.File(io.BytesIO(file.data), file.name) for file in self.attached]
