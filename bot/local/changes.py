"""What can change in the local Discord, as its listeners are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.local.model import Channel, Interaction, Message, User


@dataclass(frozen=True)
class MessageCreated:
    message: Message


@dataclass(frozen=True)
class MessageEdited:
    message: Message


@dataclass(frozen=True)
class MessageDeleted:
    message: Message


@dataclass(frozen=True)
class ThreadCreated:
    """A thread was begun."""

    thread: Channel


@dataclass(frozen=True)
class Typing:
    channel: Channel
    user: User


@dataclass(frozen=True)
class Reacted:
    message: Message
    user: User
    emoji: str
    added: bool


@dataclass(frozen=True)
class InteractionStarted:
    interaction: Interaction


@dataclass(frozen=True)
class InteractionMoved:
    """The bot answered an interaction, opened a form, offered choices, or let the time pass."""

    interaction: Interaction


@dataclass(frozen=True)
class CommandsChanged:
    """The bot registered its commands anew."""


@dataclass(frozen=True)
class PresenceChanged:
    """The bot logged in, or its last connection went away."""


Change = (
    MessageCreated
    | MessageEdited
    | MessageDeleted
    | ThreadCreated
    | Typing
    | Reacted
    | InteractionStarted
    | InteractionMoved
    | CommandsChanged
    | PresenceChanged
)
Listener = Callable[[Change], None]
