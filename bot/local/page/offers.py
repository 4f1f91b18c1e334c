"""What a select offers: its own options, or the people, roles and channels of the guild."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from bot.local.model import JSON, User
from bot.local.world import World


class SelectType(IntEnum):
    """The kinds of select, as Discord numbers them."""

    STRING = 3
    USER = 5
    ROLE = 6
    MENTIONABLE = 7
    CHANNEL = 8


@dataclass(frozen=True)
class Choice:
    """One thing to choose, with a note that says more about it."""

    value: str
    label: str
    chosen: bool = False
    note: str = ""


def choices(world: World, select: JSON, name_of: Callable[[User], str]) -> tuple[Choice, ...]:
    """What `select` offers; people are called as `name_of` calls them."""
    if select["type"] == SelectType.STRING:
        return tuple(_own(option) for option in select.get("options") or [])
    chosen = {str(item.get("id")) for item in select.get("default_values") or []}
    match select["type"]:
        case SelectType.USER:
            named = people(world, name_of)
        case SelectType.ROLE:
            named = roles(world)
        case SelectType.CHANNEL:
            named = channels(world, select.get("channel_types") or [])
        case _:
            named = (*people(world, name_of), *roles(world))
    return tuple(Choice(item.value, item.label, item.value in chosen) for item in named)


def _own(option: JSON) -> Choice:
    face = (option.get("emoji") or {}).get("name")
    label = str(option["label"])
    return Choice(
        str(option["value"]),
        f"{face} {label}" if face else label,
        bool(option.get("default")),
        str(option.get("description") or ""),
    )


def people(world: World, name_of: Callable[[User], str]) -> tuple[Choice, ...]:
    """Everybody of the guild, the bot too."""
    return tuple(Choice(str(user.id), name_of(user)) for user in world.users)


def roles(world: World) -> tuple[Choice, ...]:
    """The roles of the guild, without the one that everybody has."""
    return (Choice(str(world.mentor.id), f"@{world.mentor.name}"),)


def channels(world: World, types: list[int]) -> tuple[Choice, ...]:
    """The guild's channels and threads; where `types` holds any, those of these types only."""
    return tuple(
        Choice(str(channel.id), f"#{channel.name}")
        for channel in world.channels.values()
        if channel.guild_id and (not types or channel.type in types)
    )
