"""Makes an entry of the group's own of what a mentor knows: proven first, then live at once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import re
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.inputs import InputError
from bot.outcome import ended_well, said_by
from bot.prove import Objection, prove
from bot.tutor import Tutor
from knowledge.entry import Entry, EntryError
from knowledge.language import Language
from knowledge.lesson import Lesson
from knowledge.page import Kind
from knowledge.post import Post, parse
from knowledge.scaffold import NoError, scaffold
from knowledge.validate import LONGEST_SLUG
from sandbox.waiting import Asker

CATEGORY: Final = "group"
"""The folder of a group's own entries under TUTOR_ENTRIES."""
_LONGEST_SYMPTOM: Final = 200
_REDACTED = re.compile(r"\[(?:secret|user|email|address|person)\]")
_DRAFTS: Final = 100
"""Drafts that did not hold and can be opened again; older ones are in their authors' files."""
_LARGEST: Final = 7_000_000
"""Bytes of all own entries together that fit into one message."""


@dataclass(frozen=True)
class Draft:
    """What a mentor wrote, and the post that it is about; `post` is empty where there is none."""

    title: str
    cause: str
    fix: str
    fails: str
    works: str
    language: Language
    post: str = ""


@dataclass(frozen=True)
class Taught:
    """An entry that is live."""

    entry: Entry
    page: str


class NotHeld(Exception):
    """An entry that does not hold: nothing of it is kept. `page` is its file as it would be."""

    def __init__(
        self, page: str, objections: tuple[Objection, ...] = (), faults: tuple[str, ...] = ()
    ) -> None:
        super().__init__("; ".join((*map(str, objections), *faults)))
        self.page = page
        self.objections = objections
        self.faults = faults
        """What is wrong with the file itself."""


class Drafts:
    """What mentors wrote that did not hold yet, by the interaction that brought it."""

    def __init__(self) -> None:
        self._drafts: OrderedDict[int, tuple[int, Draft]] = OrderedDict()

    def put(self, key: int, author: int, draft: Draft) -> None:
        """Keep a draft for its author."""
        self._drafts[key] = (author, draft)
        while len(self._drafts) > _DRAFTS:
            self._drafts.popitem(last=False)

    def get(self, key: int, author: int) -> Draft:
        """A draft. Raises InputError when it is not there any more."""
        held_for, draft = self._drafts.get(key, (0, None))
        if draft is None or held_for != author:
            raise InputError("draft_gone", "I do not have this draft any more.")
        return draft


class Teacher:
    """Takes lessons. `folder` is that of the group's own entries, which the tutor's library reads;
    `guilds` are the servers whose admins may teach, when there is more than one.
    """

    def __init__(
        self, tutor: Tutor, folder: Path | None = None, guilds: frozenset[int] = frozenset()
    ) -> None:
        self._tutor = tutor
        self._folder = folder
        self._guilds = guilds
        self._one_at_a_time = asyncio.Lock()

    def is_open_to(self, guild_id: int, *, only_guild: bool) -> bool:
        """Whether the admins of a server may teach what the bot then says in all of its servers."""
        return guild_id in self._guilds if self._guilds else only_guild

    async def teach(self, draft: Draft, asker: Asker) -> Taught:
        """Prove an entry and put it among the others.

        Raises NotHeld when it does not hold, InputError when it cannot be written, and what running
        code raises. Nothing is kept then.
        """
        folder = self._require_folder()
        post = parse(draft.post)
        lesson, slug = await self._lesson(draft, post, asker)
        async with self._one_at_a_time:
            known = {entry.slug for entry in self._tutor.entries}
            slug = _free(slug, known)
            try:
                entry = await asyncio.to_thread(lesson.entry, slug, CATEGORY, known)
            except EntryError as error:
                faults = tuple(dict.fromkeys(fault.message for fault in error.faults))
                raise NotHeld(lesson.page(), faults=faults) from error
            trying = await asyncio.to_thread(self._tutor.trying, entry)
            proven = await prove(trying, entry, asker)
            if not proven.holds:
                raise NotHeld(lesson.page(), proven.faults)
            path = folder / CATEGORY / f"{slug}.md"
            await asyncio.to_thread(_write, path, lesson.page())
            await self._tutor.refresh()
            if entry.slug not in {one.slug for one in self._tutor.entries}:
                path.unlink(missing_ok=True)
                raise RuntimeError(f"{path} was not taken over")
        return Taught(entry, lesson.page())

    async def take_back(self, slug: str) -> None:
        """Remove an entry that was taught. Raises InputError when there is none."""
        path = self._require_folder() / CATEGORY / f"{slug}.md"
        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(path.unlink)
            except FileNotFoundError:
                raise InputError("not_taught", "This entry is gone already.") from None
            except OSError as error:
                raise _not_writable(error) from None
            await self._tutor.refresh()

    async def export(self) -> tuple[bytes, int]:
        """All files of the group's own entries as a zip, and how many they are.

        Raises InputError when there are none, or more than fit into a message.
        """
        return await asyncio.to_thread(_zipped, self._require_folder())

    def _require_folder(self) -> Path:
        if self._folder is None:
            raise InputError("cannot_teach", "This bot has no folder for entries of its own.")
        return self._folder

    async def _lesson(self, draft: Draft, post: Post, asker: Asker) -> tuple[Lesson, str]:
        """The lesson with what recognises its error, and a slug made of the message."""
        ran = (await self._tutor.run(draft.fails, language=draft.language, asker=asker)).result
        said = said_by(ran) or ""
        kind = Kind.ERROR
        if ended_well(ran):
            kind = Kind.WARNING if said else Kind.SILENT
        lesson = Lesson(
            title=draft.title,
            cause=draft.cause,
            fix=draft.fix,
            fails=draft.fails,
            works=draft.works,
            language=draft.language,
            kind=kind,
            symptoms=_symptoms(post),
        )
        if kind is Kind.SILENT or not said:
            return lesson, _slug(draft.title)
        # The learner's own words, unless something was taken out of them.
        reported = post.errors[0].text if post.errors else ""
        source = post if reported and not _REDACTED.search(reported) else parse(said)
        try:
            made = scaffold(source)
        except NoError as error:
            raise NotHeld(lesson.page(), faults=(str(error),)) from error
        return Lesson(**vars(lesson) | {"template": made.template}), made.slug


def _symptoms(post: Post) -> tuple[str, ...]:
    """How the learner asked, as a line to be found by."""
    asked = " ".join(post.prose.split())
    usable = asked and len(asked) <= _LONGEST_SYMPTOM and not _REDACTED.search(asked)
    return (asked,) if usable else ()


def _slug(title: str) -> str:
    words = re.findall(r"[a-z0-9]+", title.lower())
    return "-".join(words[:5]) or "own-entry"


def _free(slug: str, taken: set[str]) -> str:
    """`slug` within its length, with a number where it is taken."""
    slug = slug[: LONGEST_SLUG - 4].strip("-")
    numbered = (f"{slug}-{number}" for number in range(2, 1_000))
    return slug if slug not in taken else next(one for one in numbered if one not in taken)


def _write(path: Path, page: str) -> None:
    """Write a file as a whole or not at all; one that is there is never replaced."""
    unfinished = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise _not_writable(error) from error


def _not_writable(error: OSError) -> InputError:
    reason = error.strerror or type(error).__name__
    return InputError(
        "entries_not_writable", f"The folder of entries cannot be written: {reason}", reason=reason
    )


def _zipped(folder: Path) -> tuple[bytes, int]:
    files = sorted(path for path in folder.glob("*/*.md") if not path.name.startswith("."))
    if not files:
        raise InputError("nothing_taught", "There are no entries of your own yet.")
    if sum(path.stat().st_size for path in files) > _LARGEST:
        raise InputError("export_too_large", "Your entries are too large for one message.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
    return packed.getvalue(), len(files)
