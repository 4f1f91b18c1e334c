"""What one reader has not seen yet, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

from bot.local.model import Message, User


@dataclass(frozen=True)
class Unread:
    """The unread part of one channel: its first message, and how many of them ping the reader."""

    first: int
    pings: int = 0


class Inbox:
    """The unread parts of all channels."""

    def __init__(self) -> None:
        self.channels: dict[int, Unread] = {}

    def add(self, message: Message, reader: User) -> None:
        """Note a message of a channel that the reader does not look at."""
        known = self.channels.get(message.channel.id, Unread(message.id))
        direct = message.channel.guild_id is None
        pinged = direct or message.everyone or reader in message.mentions
        self.channels[message.channel.id] = Unread(known.first, known.pings + pinged)

    def open(self, channel_id: int) -> int | None:
        """The reader looks at a channel. Returns the first message that is new there."""
        unread = self.channels.pop(channel_id, None)
        return unread.first if unread else None
