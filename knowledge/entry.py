"""Entries: what is known about one error each, and their loading from Markdown files.

The files lie in `entries/<category>/`: `<slug>.md` in English and `<slug>.ja.md`, `<slug>.zh.md`.
Loading finds what makes an entry unusable; `knowledge.validate` finds in addition what makes it
unfit to be shipped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from knowledge.document import Fault, read_text
from knowledge.language import Language
from knowledge.page import (
    Device,
    EnglishPage,
    Kind,
    Page,
    Proof,
    Text,
    Translation,
    read_english,
    read_translation,
)
from knowledge.signature import Signature

__all__ = [
    "Device",
    "Entry",
    "EntryError",
    "Fault",
    "Kind",
    "Proof",
    "Sister",
    "Text",
    "english_hash",
    "load_entries",
    "read_library",
    "slug_of",
]

SHIPPED: Final = Path(__file__).with_name("entries")
_NAME = re.compile(r"(?P<slug>[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*)(?:\.(?P<language>ja|zh))?\.md")
_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]+)*")


@dataclass(frozen=True)
class Sister:
    """An entry that is easily taken for this one, and per language how to tell them apart."""

    slug: str
    difference: Mapping[Language, str]


@dataclass(frozen=True)
class Entry:
    """What is known about one error. `fails` and `works` are Python code."""

    slug: str
    category: str
    kind: Kind
    device: Device
    signatures: tuple[Signature, ...]
    texts: Mapping[Language, Text]
    see: tuple[Sister, ...]
    docs: tuple[str, ...]
    fails: str | None
    works: str | None
    proof: Proof
    written: Language = Language.EN
    """The language in which the texts under `Language.EN` really are."""


class EntryError(Exception):
    """Entry files that cannot be used. Its text lists all faults of all files, one a line."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True)
class Volume:
    """All the files of one entry."""

    english: EnglishPage
    translations: Mapping[Language, Translation]

    @property
    def slug(self) -> str:
        """The entry's name, which is that of its English file."""
        return self.english.path.name.removesuffix(".md")

    @property
    def entry(self) -> Entry:
        """The entry that the files describe."""
        english = self.english
        pages: tuple[Page, ...] = (english, *self.translations.values())
        return Entry(
            slug=self.slug,
            category=english.path.parent.name,
            kind=english.kind,
            device=english.device,
            signatures=english.signatures,
            texts={page.language: page.text for page in pages},
            see=tuple(
                Sister(slug, {p.language: p.see[slug].text for p in pages if slug in p.see})
                for slug in english.see
            ),
            docs=english.docs,
            fails=english.fails.text if english.fails else None,
            works=english.works.text if english.works else None,
            proof=english.proof,
            written=english.written,
        )


def load_entries(directory: Path | None = None) -> tuple[Entry, ...]:
    """The entries of `directory` (the shipped ones by default), sorted by slug.

    Raises EntryError with all faults of all files when any of them cannot be used.
    """
    volumes, faults = read_library(directory or SHIPPED)
    if faults:
        raise EntryError(faults)
    return tuple(volume.entry for volume in volumes)


def english_hash(english_file_text: str) -> str:
    """The hash that a translation of this English file must carry: 12 hexadecimal digits.

    It covers what a translator translates: title, symptoms, differences, summary, cause, fix.
    Raises EntryError when the text is no English entry file.
    """
    faults: list[Fault] = []
    page = read_english(Path("entry.md"), english_file_text.replace("\r\n", "\n"), faults)
    if page is None or faults:
        raise EntryError(faults)
    return page.hash


def slug_of(path: Path) -> str:
    """The slug of the entry to which a file belongs, by the file's name."""
    name = _NAME.fullmatch(path.name)
    return name["slug"] if name else path.stem


def read_library(
    directory: Path, known: Collection[str] = ()
) -> tuple[tuple[Volume, ...], tuple[Fault, ...]]:
    """The usable entries of `directory`, sorted by slug, and the faults of all its files.

    `known` are the slugs of entries elsewhere that may be named as sisters.
    """
    faults: list[Fault] = []
    english: dict[str, EnglishPage] = {}
    translations: dict[str, dict[Language, Translation]] = {}
    broken: set[str] = set()
    if not directory.is_dir():
        return (), (Fault(directory, 1, "is no folder; name the folder that holds the entries"),)
    for path, slug, language in _files(directory, faults):
        text = read_text(path, faults)
        if language is Language.EN:
            page = read_english(path, text, faults) if text is not None else None
            if page is None:
                broken.add(slug)
            elif slug in english:
                broken.add(slug)
                faults.append(
                    Fault(path, 1, f"{english[slug].path} has this slug too; rename one of them")
                )
            else:
                english[slug] = page
        elif text is not None:
            translation = read_translation(path, language, text, faults)
            if translation is not None:
                translations.setdefault(slug, {})[language] = translation
    faults += _unknown_sisters(english, broken.union(known))
    faults += _orphans(english, broken, translations)
    volumes = [Volume(page, translations.get(slug, {})) for slug, page in sorted(english.items())]
    faults.sort(key=lambda fault: (fault.path, fault.line))
    return tuple(volumes), tuple(faults)


def _files(directory: Path, faults: list[Fault]) -> list[tuple[Path, str, Language]]:
    """The entry files under `directory` with slug and language, in order."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(directory).parts):
            continue
        name = _NAME.fullmatch(path.name)
        if name is None:
            faults.append(
                Fault(path, 1, "no entry is named so; name it <slug>.md, .ja.md or .zh.md")
            )
        elif path.parent.parent != directory or not _CATEGORY.fullmatch(path.parent.name):
            faults.append(Fault(path, 1, "lies in no category; move it to entries/<category>/"))
        else:
            found.append((path, name["slug"], Language(name["language"] or Language.EN)))
    return found


def _unknown_sisters(english: Mapping[str, EnglishPage], elsewhere: set[str]) -> list[Fault]:
    return [
        Fault(page.path, prose.line, f"see names {sister}, which is no entry; correct the slug")
        for page in english.values()
        for sister, prose in page.see.items()
        if sister not in english and sister not in elsewhere
    ]


def _orphans(
    english: Mapping[str, EnglishPage],
    broken: set[str],
    translations: Mapping[str, Mapping[Language, Translation]],
) -> list[Fault]:
    faults = []
    for slug, pages in translations.items():
        if slug in broken:
            continue
        for page in pages.values():
            if slug not in english or english[slug].path.parent != page.path.parent:
                message = f"translates nothing; put {slug}.md beside it or correct its name"
                faults.append(Fault(page.path, 1, message))
    return faults
