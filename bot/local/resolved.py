"""What the ids in an interaction stand for: the people, roles and channels that were chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.local.model import JSON
from bot.local.payloads import channel_json, guild_json, member_json, user_json
from bot.local.world import GUILD_ID, World

_USER, _ROLE, _MENTIONABLE, _CHANNEL = 5, 6, 7, 8  # kinds of select
_SELECT_OF_OPTION = {6: _USER, 7: _CHANNEL, 8: _ROLE, 9: _MENTIONABLE}


def resolved_json(world: World, kind: int, values: Sequence[str]) -> JSON:
    """What `values`, chosen in a select of this kind, stand for. Empty for kinds without ids.

    What is chosen from is the page's: it shows the first guild.

    Raises `ApiError` for what does not exist.
    """
    if kind not in (_USER, _ROLE, _MENTIONABLE, _CHANNEL) or not values:
        return {}
    if kind == _CHANNEL:
        channels = [world.channel(int(value)) for value in values]
        return {"channels": {str(item.id): channel_json(world, item) for item in channels}}
    known = {str(role["id"]): role for role in guild_json(world, world.guilds[GUILD_ID])["roles"]}
    roles = {value: known[value] for value in values if kind != _USER and value in known}
    users = [world.user(int(value)) for value in values if value not in roles]
    shown: JSON = {"roles": roles} if roles else {}
    if users:
        shown["users"] = {str(user.id): user_json(user) for user in users}
        shown["members"] = {
            str(user.id): member_json(world, user, GUILD_ID, with_user=False) for user in users
        }
    return shown


def of_options(world: World, values: Iterable[JSON]) -> JSON:
    """What the filled-in options of a command stand for."""
    return _together(
        resolved_json(world, _SELECT_OF_OPTION.get(option["type"], 0), [str(option["value"])])
        for option in values
    )


def of_form(world: World, fields: Iterable[JSON]) -> JSON:
    """What was chosen in the selects of a filled-in form."""
    return _together(
        resolved_json(world, item["type"], item.get("values") or []) for item in fields
    )


def _together(parts: Iterable[JSON]) -> JSON:
    found: JSON = {}
    for part in parts:
        for key, shown in part.items():
            found.setdefault(key, {}).update(shown)
    return found
