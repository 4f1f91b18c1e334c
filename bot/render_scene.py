"""What a failing line saw as a Discord embed: two tables that fit a phone."""

from __future__ import annotations

import discord

from bot.fence import Keep, fenced, one_line
from bot.locale import say
from bot.render import BLUE
from bot.tables import failing_line, layers_table, things_table
from knowledge.language import Language
from sandbox.protocol import Scene

_TABLE = 800
"""Room of one table, in UTF-16 units."""


def scene_embed(scene: Scene, language: Language) -> discord.Embed:
    """What the failing line saw, and the way of the data to it."""
    body = "\n".join(
        text for text in (failing_line(scene.place), things_table(scene, language)) if text.strip()
    )
    parts = [fenced(body or "…", _TABLE, keep=Keep.HEAD).text]
    rows = layers_table(scene.layers, language)
    if rows.strip():
        table = fenced(rows, _TABLE, keep=Keep.TAIL).text
        parts.append(f"**{say(language, 'scene.layers')}**\n{table}")
    where = scene.place.function
    inside = where.isidentifier()
    return discord.Embed(
        title=say(
            language,
            "scene.in_function" if inside else "scene.title",
            line=scene.place.line,
            function=one_line(where, 60),
        ),
        description="\n".join(parts),
        colour=BLUE,
    )
