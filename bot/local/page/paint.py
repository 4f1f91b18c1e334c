"""Turns messages, menus and forms into HTML, for one reader in one language.

The templates escape everything; only `markdown.render` hands them HTML, and it escapes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from bot.local.commands import localized
from bot.local.model import JSON, Attachment, CommandType, InteractionType, Message, User
from bot.local.page.markdown import Names, render
from bot.local.page.texts import DISCORD_LOCALES, Text, say
from bot.local.world import World
from knowledge.language import Language

_PREVIEW_BYTES = 50_000  # of a text file, to be read inside the message
_PREVIEW_LINES = 12
_HEAD_AGAIN_AFTER = 7 * 60  # seconds after which the author's name is shown again

_ENTITY_SELECTS = (5, 6, 7, 8)


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"


_JINJA = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_JINJA.filters["size"] = _size
_JINJA.filters["colour"] = lambda value: f"#{int(value) & 0xFFFFFF:06x}"
_JINJA.filters["web"] = lambda url: str(url).startswith(("http://", "https://"))


class Painter:
    """Paints for one reader. Change `language` or `viewer`, then paint anew."""

    def __init__(self, world: World, language: Language, viewer: User) -> None:
        self.world = world
        self.language = language
        self.viewer = viewer

    @property
    def locale(self) -> str:
        """The language as Discord names it."""
        return DISCORD_LOCALES[self.language]

    def say(self, text: Text, **values: object) -> str:
        return say(text, self.language, **values)

    def name_of(self, user: User) -> str:
        """How the reader sees a person's name."""
        names = {"you": Text.YOU, "learner": Text.LEARNER}
        text = names.get(user.username)
        return self.say(text) if text else user.name

    def markdown(self, text: object) -> Markup:
        users = {user.id: self.name_of(user) for user in self.world.users}
        channels = {channel.id: channel.name for channel in self.world.channels.values()}
        return Markup(render(str(text), Names(users, channels)))  # noqa: S704 - escapes itself

    def paint(self, template: str, **values: Any) -> str:
        """Fill in one template."""
        return _JINJA.get_template(f"{template}.html").render(
            say=self.say,
            T=Text,
            md=self.markdown,
            name_of=self.name_of,
            viewer=self.viewer,
            bot=self.world.bot,
            choices=lambda select: choices(self.world, select),
            people=self.world.people,
            locale=self.locale,
            localized=lambda item, key: localized(item, key, self.locale),
            **values,
        )

    def message(
        self,
        message: Message,
        previous: Message | None,
        *,
        waiting: str | None = None,
        failed: bool = False,
    ) -> str:
        """One message; `waiting` is the custom_id of a button that was just pressed."""
        pictured = {
            str((embed.get(key) or {}).get("url"))
            for embed in message.embeds
            for key in ("image", "thumbnail")
        }
        files = [item for item in message.attachments if item.url not in pictured]
        mentioned = self.viewer in message.mentions or message.everyone
        return self.paint(
            "message",
            message=message,
            head=self._needs_head(message, previous),
            pinged=mentioned and message.author != self.viewer,
            referenced=self._referenced(message),
            command=self._command(message),
            files=files,
            previews={item.id: self._preview(item) for item in files},
            waiting=waiting,
            failed=failed,
        )

    def _needs_head(self, message: Message, previous: Message | None) -> bool:
        if previous is None or message.reference or self._command(message):
            return True
        apart = (message.created - previous.created).total_seconds()
        return (
            previous.author != message.author
            or apart > _HEAD_AGAIN_AFTER
            or previous.ephemeral != message.ephemeral
        )

    def _referenced(self, message: Message) -> Message | None:
        for candidate in self.world.messages(message.channel):
            if candidate.id == message.reference:
                return candidate
        return None

    def _command(self, message: Message) -> str:
        """The command that this message answers, as the reader calls it."""
        origin = message.origin
        while origin is not None and origin.type is InteractionType.MODAL:
            origin = origin.parent
        if origin is None or origin.type is not InteractionType.COMMAND:
            return ""
        slash = origin.data.get("type") == CommandType.SLASH
        command: Mapping[str, Any] = self.world.commands.get(int(origin.data["id"]), {})
        name = origin.name
        if command and command["name"] == name:
            name = localized(dict(command), "name", self.locale)
        return f"/{name}" if slash else name

    def _preview(self, attachment: Attachment) -> str:
        """The first lines of a text file."""
        held = self.world.files.get(attachment.id)
        if held is None or not attachment.content_type.startswith("text/"):
            return ""
        text = held[1][:_PREVIEW_BYTES].decode("utf-8", "replace")
        lines = text.splitlines()
        shown = "\n".join(line[:300] for line in lines[:_PREVIEW_LINES])
        return shown + ("\n…" if len(lines) > _PREVIEW_LINES else "")


def choices(world: World, select: JSON) -> list[JSON]:
    """What a select offers: its own options, or the people or channels of the guild."""
    kind = select["type"]
    if kind not in _ENTITY_SELECTS:
        options: list[JSON] = select.get("options") or []
        return options
    chosen = {str(item.get("id")) for item in select.get("default_values") or []}
    if kind == 8:
        named = [(item.id, f"#{item.name}") for item in world.channels.values() if item.guild_id]
    elif kind == 6:
        named = []  # the guild has no roles
    else:
        named = [(user.id, user.name) for user in world.users]
    return [
        {"value": str(key), "label": name, "default": str(key) in chosen} for key, name in named
    ]
