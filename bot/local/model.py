"""What exists in a Discord: people, channels, messages, interactions. Plain data."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, IntFlag, StrEnum
from typing import Any

JSON = dict[str, Any]

DISCORD_EPOCH_MS = 1_420_070_400_000


class Snowflakes:
    """Hands out Discord's 64-bit ids: milliseconds since 2015, then a counter. Always rising."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        now = (time.time_ns() // 1_000_000 - DISCORD_EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return self._last


class ChannelType(IntEnum):
    TEXT = 0
    DM = 1
    PUBLIC_THREAD = 11


class CommandType(IntEnum):
    SLASH = 1
    USER = 2
    MESSAGE = 3


class InteractionType(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class ResponseType(IntEnum):
    """How a bot may answer an interaction."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


class Flag(IntFlag):
    """The bits of a message's flags that matter here."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    COMPONENTS_V2 = 1 << 15


NO_FLAGS = Flag(0)


class Phase(StrEnum):
    """How far an interaction has come."""

    WAITING = "waiting"
    ANSWERED = "answered"
    FAILED = "failed"  # nobody answered in time


@dataclass(frozen=True)
class User:
    """A person or the bot."""

    id: int
    username: str
    name: str
    bot: bool = False


@dataclass(frozen=True)
class Guild:
    """What people call a server."""

    id: int
    name: str


@dataclass(frozen=True)
class Role:
    """A role of the first guild."""

    id: int
    name: str


@dataclass(frozen=True)
class Channel:
    """A text channel or thread of a guild, or one person's direct conversation with the bot."""

    id: int
    name: str
    topic: str = ""
    guild_id: int | None = None
    person: User | None = None
    parent_id: int | None = None  # set on threads
    owner_id: int | None = None  # who began the thread

    @property
    def type(self) -> ChannelType:
        if self.parent_id:
            return ChannelType.PUBLIC_THREAD
        return ChannelType.TEXT if self.guild_id else ChannelType.DM


@dataclass(frozen=True)
class Attachment:
    """A file that somebody sent. The bytes live in `Files`, which may forget old ones."""

    id: int
    filename: str
    size: int
    content_type: str
    url: str
    description: str | None = None

    @property
    def is_image(self) -> bool:
        return self.content_type in SAFE_IMAGES


SAFE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@dataclass(frozen=True)
class Upload:
    """A file on its way in."""

    filename: str
    data: bytes
    description: str | None = None


@dataclass(eq=False)
class Message:
    """A message as it stands now; edits change it in place."""

    id: int
    channel: Channel
    author: User
    content: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    edited: datetime | None = None
    embeds: list[JSON] = field(default_factory=list)
    components: list[JSON] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: Flag = NO_FLAGS
    mentions: tuple[User, ...] = ()
    everyone: bool = False
    reference: int | None = None
    nonce: str | None = None
    origin: Interaction | None = None  # the interaction that this message answers
    visible_to: User | None = None  # set on ephemeral messages
    reactions: dict[str, set[int]] = field(default_factory=dict)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & Flag.EPHEMERAL)

    @property
    def loading(self) -> bool:
        return bool(self.flags & Flag.LOADING)

    def seen_by(self, user: User) -> bool:
        return self.visible_to is None or self.visible_to.id == user.id


@dataclass(eq=False)
class Interaction:
    """Something that a person asked of the bot: a command, a click, a filled-in form."""

    id: int
    type: InteractionType
    token: str
    user: User
    channel: Channel
    locale: str
    data: JSON
    created: float  # seconds of the monotonic clock
    name: str = ""  # the command's name, with its group: "tutor settings"
    message: Message | None = None  # the message whose button was pressed
    parent: Interaction | None = None  # the interaction that opened this form
    phase: Phase = Phase.WAITING
    response: Message | None = None  # what @original means
    modal: JSON | None = None
    choices: list[JSON] = field(default_factory=list)


def walk(components: list[JSON]) -> Iterator[JSON]:
    """Every component of a message or form, at any depth, outermost first."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        inner = component.get("component") or component.get("accessory")
        if inner:
            yield from walk([inner])


def number(components: list[JSON]) -> list[JSON]:
    """`components` with an `id` on each, as Discord gives one to those that came without."""
    counter = itertools.count(1)

    def numbered(component: JSON) -> JSON:
        copy = {**component, "id": component.get("id") or next(counter)}
        if "components" in copy:
            copy["components"] = [numbered(child) for child in copy["components"]]
        for key in ("component", "accessory"):
            if key in copy:
                copy[key] = numbered(copy[key])
        return copy

    return [numbered(component) for component in components]
