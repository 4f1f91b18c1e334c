"""What a Discord message says: its own words, its files, and the message that it replies to."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from weakref import WeakValueDictionary

import discord

from bot import notebook, ocr, ocr_child
from bot.delivery import BROKEN, patiently
from bot.inputs import InputError, read_text
from bot.ocr import ScreenReader
from bot.store import Correction
from knowledge.post import parse

_TEXT_FILES = frozenset({".txt", ".log", ".py", notebook.SUFFIX})
_MOST_FILES = 4
_MOST_PICTURES = 3
_PICTURES_KEPT = 64
"""Pictures whose text is remembered while the bot runs: a post is often read more than once."""
_MENTION = re.compile(r"<@!?\d+>")


@dataclass(frozen=True)
class Taken:
    """What was handed in, as text."""

    words: str = ""
    seen: str = ""
    """What was read from pictures."""
    parts: tuple[int, ...] = ()
    """The messages that it stands in, when they are several."""

    @property
    def text(self) -> str:
        """All of it."""
        return "\n\n".join(filter(str.strip, (self.words, self.seen)))

    def corrected(self, correction: Correction | None) -> Taken:
        """With the pictures read as somebody corrected them."""
        if correction is None or not self.seen:
            return self
        return replace(self, seen=correction.applied_to(self.seen))


class Intake:
    """Reads messages and files of at most `max_bytes` bytes each.

    Notebooks and pictures have limits of their own. Without a `screens` reader pictures are not
    looked at.
    """

    def __init__(self, max_bytes: int, screens: ScreenReader | None = None) -> None:
        self._max_bytes = max_bytes
        self._screens = screens
        self._read: OrderedDict[int, str] = OrderedDict()
        """The text of pictures, by the attachment's id."""
        self._reading: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def require_size(self, attachment: discord.Attachment) -> None:
        """Raises InputError for a file that is too large, before anything of it is loaded."""
        limit = self._limit(attachment)
        if attachment.size > limit:
            raise InputError(
                "too_large",
                f"{attachment.filename} is larger than {limit:,} bytes.",
                name=attachment.filename,
                limit=f"{limit:,}",
            )

    def _limit(self, attachment: discord.Attachment) -> int:
        match _suffix(attachment):
            case notebook.SUFFIX:
                return notebook.MAX_BYTES
            case suffix if suffix in ocr.SUFFIXES:
                return ocr_child.MAX_BYTES
        return self._max_bytes

    async def file(self, attachment: discord.Attachment) -> Taken:
        """One file as a post: text as it is, a notebook's last error with its code, a picture read.

        Raises InputError when it is too large or cannot be read, when a notebook holds no error,
        or when Discord does not hand it out.
        """
        if _suffix(attachment) in ocr.SUFFIXES and self._screens is not None:
            seen = await self._seen(attachment)
            if not seen:
                raise InputError(
                    "image_no_text",
                    f"No text was found in {attachment.filename}. Paste the error as text.",
                    name=attachment.filename,
                )
            return Taken(seen=seen)
        text = await self._text(attachment)
        if _suffix(attachment) == notebook.SUFFIX:
            read = await asyncio.to_thread(notebook.read_notebook, text, attachment.filename)
            return Taken(notebook.require_error(read, attachment.filename).post())
        return Taken(text)

    async def code(self, attachment: discord.Attachment) -> str:
        """One file as code to run: a notebook's cells up to the one that failed last.

        Raises InputError as `file` does.
        """
        if _suffix(attachment) != notebook.SUFFIX:
            return (await self.file(attachment)).text
        text = await self._text(attachment)
        return (await asyncio.to_thread(notebook.read_notebook, text, attachment.filename)).code

    async def _text(self, attachment: discord.Attachment) -> str:
        self.require_size(attachment)
        limit = self._limit(attachment)
        return read_text(await _data_of(attachment), attachment.filename, limit)

    async def _seen(self, attachment: discord.Attachment) -> str:
        """The text of a picture. Raises InputError."""
        if self._screens is None:
            return ""
        async with self._reading.setdefault(attachment.id, asyncio.Lock()):
            seen = self._read.get(attachment.id)
            if seen is None:
                self.require_size(attachment)
                data = await _data_of(attachment)
                seen = await self._screens.read(data, attachment.filename)
                self._read[attachment.id] = seen
        while len(self._read) > _PICTURES_KEPT:
            self._read.popitem(last=False)
        return seen

    async def own(self, message: discord.Message, *, asked_for: bool = True) -> Taken:
        """The words of a message and of its files, without the mentions of people.

        Pictures are read where the words hold no error; unless it was `asked_for`, what is read
        counts only where it holds one. Raises InputError for a file that cannot be read.
        """
        attachments = [
            *message.attachments,
            *(one for part in message.message_snapshots for one in part.attachments),
        ]
        text = await self._words(message, attachments)
        pictures = [one for one in attachments if _suffix(one) in ocr.SUFFIXES][:_MOST_PICTURES]
        if not pictures or self._screens is None or await has_error(text):
            return Taken(text)
        seen = "\n\n".join(filter(None, [await self._seen(one) for one in pictures]))
        if not seen or not (asked_for or await has_error(seen)):
            return Taken(text)
        return Taken(text, seen)

    async def _words(
        self, message: discord.Message, attachments: Sequence[discord.Attachment]
    ) -> str:
        parts = [message.content, *(part.content for part in message.message_snapshots)]
        words = [_MENTION.sub("", part).strip() for part in parts]
        readable = [one for one in attachments if _suffix(one) in _TEXT_FILES]
        files = [_as_post(one, (await self.file(one)).text) for one in readable[:_MOST_FILES]]
        return "\n\n".join(filter(None, (*words, *files)))

    async def take(self, message: discord.Message, *, reachable: bool = True) -> Taken:
        """What to work on: the message's own words, or those of the message that it replies to.

        The other message counts where the own words hold neither an error nor code, and it does.
        Where the bot is not `reachable` in the channel, nothing is loaded from there.
        Raises InputError as `own` does.
        """
        own = await self.own(message)
        if await is_rich(own.text):
            return own
        replied_to = await _replied_to(message, reachable)
        if replied_to is None:
            return own
        other = await self.own(replied_to)
        return other if await is_rich(other.text) or not own.text else own


async def _data_of(attachment: discord.Attachment) -> bytes:
    try:
        return await patiently(attachment.read)
    except (discord.HTTPException, *BROKEN):
        raise InputError(
            "not_downloaded",
            f"{attachment.filename} could not be loaded from Discord. Send it again.",
            name=attachment.filename,
        ) from None


async def code_of(text: str) -> str | None:
    """The Python code in a text, its blocks joined; None when it holds none."""
    post = await asyncio.to_thread(parse, text)
    return "\n\n".join(post.code) or None


async def has_error(text: str) -> bool:
    """Whether a text holds an error."""
    return bool(text) and bool((await asyncio.to_thread(parse, text)).errors)


async def is_rich(text: str) -> bool:
    """Whether a text holds an error or code, and not only words."""
    if not text:
        return False
    post = await asyncio.to_thread(parse, text)
    return bool(post.errors or post.code)


async def _replied_to(message: discord.Message, reachable: bool) -> discord.Message | None:
    reference = message.reference
    if reference is None or reference.type is not discord.MessageReferenceType.reply:
        return None
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    deleted = isinstance(reference.resolved, discord.DeletedReferencedMessage)
    if reference.message_id is None or deleted or not reachable:
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
