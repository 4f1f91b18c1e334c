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
from bot.local.page import offers
from bot.local.page.markdown import Names, excerpt, render
from bot.local.page.texts import DISCORD_LOCALES, Text, say
from bot.local.world import World
from knowledge.language import Language

_PREVIEW_BYTES = 50_000  # of a text file, to be read inside the message
_PREVIEW_LINES = 12
_HEAD_AGAIN_AFTER = 7 * 60  # seconds after which the author's name is shown again


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
        return Markup(render(str(text), self._names()))  # noqa: S704 - escapes itself

    def excerpt(self, text: object) -> Markup:
        return Markup(excerpt(str(text), self._names()))  # noqa: S704 - escapes itself

    def _names(self) -> Names:
        """What ids in a text stand for, as the reader calls it."""
        return Names(
            users={user.id: self.name_of(user) for user in self.world.users},
            channels={channel.id: channel.name for channel in self.world.channels.values()},
            roles={self.world.mentor.id: self.world.mentor.name},
        )

    def choices(self, select: JSON) -> tuple[offers.Choice, ...]:
        """What a select offers this reader."""
        return offers.choices(self.world, select, self.name_of)

    def paint(self, template: str, **values: Any) -> str:
        """Fill in one template."""
        return _JINJA.get_template(f"{template}.html").render(
            say=self.say,
            T=Text,
            md=self.markdown,
            excerpt=self.excerpt,
            name_of=self.name_of,
            viewer=self.viewer,
            bot=self.world.bot,
            choices=self.choices,
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
            thread=self.world.channels.get(message.id),
            thread_size=self._thread_size(message),
        )

    def _thread_size(self, message: Message) -> int:
        """How many messages the thread has that was begun at `message`."""
        thread = self.world.channels.get(message.id)
        return len(self.world.messages(thread)) if thread else 0

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
