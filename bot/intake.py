"""What a Discord message says: its own words, its files, and the message that it replies to."""

from __future__ import annotations

import asyncio
import re
from pathlib import PurePath

import discord

from bot.inputs import InputError, read_text
from knowledge.post import parse

_TEXT_FILES = frozenset({".txt", ".log", ".py"})
_MOST_FILES = 4
_MENTION = re.compile(r"<@!?\d+>")


class Intake:
    """Reads messages and files of at most `max_bytes` bytes each."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def require_size(self, attachment: discord.Attachment) -> None:
        """Raises InputError for a file that is too large, before anything of it is loaded."""
        if attachment.size > self._max_bytes:
            raise InputError(
                "too_large",
                f"{attachment.filename} is larger than {self._max_bytes:,} bytes.",
                name=attachment.filename,
                limit=f"{self._max_bytes:,}",
            )

    async def file(self, attachment: discord.Attachment) -> str:
        """The text of one file. Raises InputError when it is too large or no text."""
        self.require_size(attachment)
        return read_text(await attachment.read(), attachment.filename, self._max_bytes)

    async def own_text(self, message: discord.Message) -> str:
        """The words of a message and of its text files, without the mentions of people.

        Raises InputError for a text file that cannot be read.
        """
        parts = [message.content, *(part.content for part in message.message_snapshots)]
        words = [_MENTION.sub("", part).strip() for part in parts]
        attachments = [
            *message.attachments,
            *(one for part in message.message_snapshots for one in part.attachments),
        ]
        readable = [one for one in attachments if _suffix(one) in _TEXT_FILES]
        files = [_as_post(one, await self.file(one)) for one in readable[:_MOST_FILES]]
        return "\n\n".join(filter(None, (*words, *files)))

    async def text(self, message: discord.Message) -> str:
        """The words to work on: the message's own, or those of the message that it replies to.

        The other message counts where the own words hold neither an error nor code, and it does.
        Raises InputError as `own_text` does.
        """
        own = await self.own_text(message)
        if await _is_rich(own):
            return own
        replied_to = await _replied_to(message)
        if replied_to is None:
            return own
        other = await self.own_text(replied_to)
        return other if await _is_rich(other) or not own else own


async def code_of(text: str) -> str | None:
    """The Python code in a text, its blocks joined; None when it holds none."""
    post = await asyncio.to_thread(parse, text)
    return "\n\n".join(post.code) or None


async def _is_rich(text: str) -> bool:
    """Whether a text holds an error or code, and not only words."""
    if not text:
        return False
    post = await asyncio.to_thread(parse, text)
    return bool(post.errors or post.code)


async def _replied_to(message: discord.Message) -> discord.Message | None:
    reference = message.reference
    if reference is None or reference.type is not discord.MessageReferenceType.reply:
        return None
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    if reference.message_id is None or isinstance(
        reference.resolved, discord.DeletedReferencedMessage
    ):
        return None
    try:
        return await message.channel.fetch_message(reference.message_id)
    except discord.HTTPException:
        return None


def _as_post(attachment: discord.Attachment, text: str) -> str:
    """A file's text as a post holds it: Python in a code block, everything else as it is."""
    return f"```python\n{text}\n```" if _suffix(attachment) == ".py" else text


def _suffix(attachment: discord.Attachment) -> str:
    return PurePath(attachment.filename).suffix.lower()
