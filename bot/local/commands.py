"""The bot's registered commands: overwriting them, finding them, showing them in a language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.local import errors
from bot.local.changes import CommandsChanged
from bot.local.limits import check_commands
from bot.local.model import JSON, CommandType
from bot.local.world import APPLICATION_ID, World

_SUBCOMMAND, _GROUP = 1, 2
_ADMINISTRATOR = 1 << 3


def overwrite(world: World, commands: list[JSON]) -> list[JSON]:
    """Replace all commands, as PUT does. Unchanged names keep their ids. Raises `ApiError`."""
    check_commands(commands)
    known = {
        (command["type"], command["name"]): command["id"] for command in world.commands.values()
    }
    registered: dict[int, JSON] = {}
    for given in commands:
        kind = int(given.get("type") or CommandType.SLASH)
        identity = int(known.get((kind, given["name"])) or world.ids.next())
        registered[identity] = {
            "id": str(identity),
            "application_id": str(APPLICATION_ID),
            "version": str(world.ids.next()),
            "default_member_permissions": None,
            "type": kind,
            "name": given["name"],
            "name_localizations": given.get("name_localizations"),
            "description": given.get("description") or "",
            "description_localizations": given.get("description_localizations"),
            "dm_permission": True,
            "contexts": given.get("contexts"),
            "integration_types": given.get("integration_types") or [0],
            "nsfw": bool(given.get("nsfw")),
            **({"options": given["options"]} if given.get("options") else {}),
        }
        wanted = given.get("default_member_permissions")
        if wanted is not None:
            registered[identity]["default_member_permissions"] = str(wanted)
    world.commands = registered
    world.tell(CommandsChanged())
    return [*registered.values()]


def get(world: World, command_id: int) -> JSON:
    try:
        return world.commands[command_id]
    except KeyError:
        raise errors.unknown_command() from None


def localized(item: JSON, key: str, locale: str) -> str:
    """The `name` or `description` of a command, option or choice, as `locale` reads it."""
    translations: dict[str, Any] = item.get(f"{key}_localizations") or {}
    return str(translations.get(locale) or item.get(key) or "")


@dataclass(frozen=True)
class Slash:
    """One line of the picker: a command, or a subcommand with the names that lead to it."""

    command: JSON
    path: tuple[JSON, ...]  # command, then group and subcommand where there are any

    @property
    def leaf(self) -> JSON:
        return self.path[-1]

    @property
    def name(self) -> str:
        """The name that programs know, "tutor settings"."""
        return " ".join(str(part["name"]) for part in self.path)

    @property
    def options(self) -> list[JSON]:
        options: list[JSON] = self.leaf.get("options") or []
        return options

    def shown_name(self, locale: str) -> str:
        return " ".join(localized(part, "name", locale) for part in self.path)

    def data(self, values: list[JSON]) -> JSON:
        """The interaction's data: `values` nested under group and subcommand."""
        options = values
        for part in reversed(self.path[1:]):
            options = [{"name": part["name"], "type": part["type"], "options": options}]
        return {
            "id": self.command["id"],
            "name": self.command["name"],
            "type": int(CommandType.SLASH),
            "options": options,
        }


def slash_commands(
    world: World, *, in_guild: bool = True, permissions: int = _ADMINISTRATOR
) -> list[Slash]:
    """All slash commands and subcommands that somebody may use in this place, by name."""
    found = [
        slash
        for command in world.commands.values()
        if command["type"] == CommandType.SLASH and usable(command, in_guild, permissions)
        for slash in _leaves(command, (command,))
    ]
    return sorted(found, key=lambda slash: slash.name)


def message_commands(
    world: World, *, in_guild: bool = True, permissions: int = _ADMINISTRATOR
) -> list[JSON]:
    """The commands of a message's context menu."""
    return [
        command
        for command in world.commands.values()
        if command["type"] == CommandType.MESSAGE and usable(command, in_guild, permissions)
    ]


def usable(command: JSON, in_guild: bool, permissions: int) -> bool:
    """Whether the command is offered in this place to somebody with these permissions."""
    contexts = command.get("contexts")
    if contexts is not None and (0 if in_guild else 1) not in contexts:
        return False
    wanted = command.get("default_member_permissions")
    if wanted is None or permissions & _ADMINISTRATOR or not in_guild:
        return True
    return int(wanted) != 0 and permissions & int(wanted) == int(wanted)


def _leaves(command: JSON, path: tuple[JSON, ...]) -> Iterator[Slash]:
    nested = [
        option
        for option in path[-1].get("options") or []
        if option.get("type") in (_SUBCOMMAND, _GROUP)
    ]
    if not nested:
        yield Slash(command, path)
    for option in nested:
        yield from _leaves(command, (*path, option))
