"""One language's file of an entry, read with the lines where its parts stand.

The English file (`<slug>.md`) has everything that needs no translating; a translation
(`<slug>.ja.md`, `<slug>.zh.md`) has a title, symptoms, differences from sisters and prose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from knowledge.document import Document, Fault, Fence, Fields, Prose, parse
from knowledge.language import Language
from knowledge.signature import Signature, SignatureError

HEADINGS: Final[Mapping[Language, tuple[str, str]]] = {
    Language.EN: ("Cause", "Fix"),
    Language.JA: ("原因", "直し方"),
    Language.ZH: ("原因", "解决方法"),
}
"""What the sections with the cause and the fix are called in the files of each language."""

_EXAMPLE = "Example"


class Device(StrEnum):
    """Where an error can occur."""

    ANY = "any"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Kind(StrEnum):
    """How an error shows itself: an exception, a printed warning, wrong numbers, or not at all."""

    ERROR = "error"
    WARNING = "warning"
    SILENT = "silent"
    TIP = "tip"


@dataclass(frozen=True)
class Text:
    """What an entry says in one language. Summary, cause and fix are templates of Markdown."""

    title: str
    symptoms: tuple[str, ...]
    summary: str
    cause: str
    fix: str


@dataclass(frozen=True)
class Proof:
    """Whether the failing example can be run on a CPU; if not, why, and a message once recorded."""

    provable: bool
    reason: str
    recorded: str


@dataclass(frozen=True)
class Page:
    """One language's file of an entry, as it was read: texts with the lines where they stand."""

    path: Path
    language: Language
    title: Prose
    symptoms: tuple[str, ...]
    symptoms_line: int
    see: Mapping[str, Prose]
    see_line: int
    summary: Prose
    cause: Prose
    fix: Prose
    fences: tuple[Fence, ...]

    @property
    def text(self) -> Text:
        """The texts without their lines."""
        return Text(
            self.title.text, self.symptoms, self.summary.text, self.cause.text, self.fix.text
        )


@dataclass(frozen=True)
class EnglishPage(Page):
    """An entry's English file, which has all that needs no translating."""

    written: Language
    """The language of the texts, where somebody wrote them in another one and nobody translated
    them yet; the headings are English all the same."""
    kind: Kind
    device: Device
    signatures: tuple[Signature, ...]
    signatures_line: int
    docs: tuple[str, ...]
    docs_line: int
    fails: Prose | None
    works: Prose | None
    proof: Proof
    proof_line: int

    @property
    def hash(self) -> str:
        """12 hexadecimal digits that change when anything changes that a translator translates."""
        differences = {slug: prose.text for slug, prose in self.see.items()}
        text = self.text
        content = [text.title, text.symptoms, differences, text.summary, text.cause, text.fix]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Translation(Page):
    """A translated file; `english` is the hash of the English texts that it translates."""

    english: Prose


def read_english(path: Path, text: str, faults: list[Fault]) -> EnglishPage | None:
    before = len(faults)
    document = parse(path, text, faults)
    if document is None:
        return None
    fields = document.fields
    page = _page(document, Language.EN, _sisters(fields), faults)
    written = Language.EN
    if "language" in fields:
        written = _choice(Language, fields, "language", path, faults) or written
    kind = _choice(Kind, fields, "kind", path, faults)
    device = _choice(Device, fields, "device", path, faults)
    signatures = _signatures(fields, path, faults)
    docs = fields.texts("docs")
    proof = _proof(fields)
    fields.unused("title, language, kind, device, signatures, symptoms, see, docs, proof")
    examples = _examples(document, faults)
    if len(faults) > before or kind is None or device is None:
        return None
    return EnglishPage(
        **vars(page),
        written=written,
        kind=kind,
        device=device,
        signatures=signatures,
        signatures_line=fields.line_of("signatures"),
        docs=docs,
        docs_line=fields.line_of("docs"),
        fails=examples.get("fails"),
        works=examples.get("works"),
        proof=proof,
        proof_line=fields.line_of("proof"),
    )


def read_translation(
    path: Path, language: Language, text: str, faults: list[Fault]
) -> Translation | None:
    before = len(faults)
    document = parse(path, text, faults)
    if document is None:
        return None
    fields = document.fields
    see = fields.mapping("see")
    differences = {slug: see.text(slug, '"the difference"') for slug in see} if see else {}
    page = _page(document, language, differences, faults)
    english = fields.text("english", "the hash of the English file")
    fields.unused("title, symptoms, see, english")
    if len(faults) > before:
        return None
    return Translation(**vars(page), english=english)


def _page(
    document: Document, language: Language, see: Mapping[str, Prose], faults: list[Fault]
) -> Page:
    fields = document.fields
    headings = HEADINGS[language]
    known = ("", *headings, _EXAMPLE) if language is Language.EN else ("", *headings)
    sections = {section.heading: section for section in reversed(document.sections)}
    for section in document.sections:
        if section.heading not in known:
            message = f"unknown heading '{section.heading}'; the headings are: "
            message += ", ".join(f"## {heading}" for heading in known[1:])
            faults.append(Fault(document.path, section.line, message))
        elif sections[section.heading] is not section:
            message = f"the heading {section.heading} stands here twice; join the two sections"
            faults.append(Fault(document.path, section.line, message))
    prose = []
    for heading in ("", *headings):
        found = sections.get(heading)
        if found is None or not found.prose.text:
            what = f"section ## {heading}" if heading else "summary before the first heading"
            line = found.line if found else document.sections[-1].line
            faults.append(Fault(document.path, line, f"the {what} is missing; write it"))
        prose.append(found.prose if found else Prose("", 1))
    return Page(
        path=document.path,
        language=language,
        title=fields.text("title", '"What went wrong"'),
        symptoms=fields.texts("symptoms"),
        symptoms_line=fields.line_of("symptoms"),
        see=see,
        see_line=fields.line_of("see"),
        summary=prose[0],
        cause=prose[1],
        fix=prose[2],
        fences=tuple(f for s in document.sections for f in s.fences if s.heading != _EXAMPLE),
    )


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(
    choices: type[_Choice], fields: Fields, key: str, path: Path, faults: list[Fault]
) -> _Choice | None:
    given = fields.text(key, next(iter(choices)))
    if given.text in list(choices):
        return choices(given.text)
    if given.text:
        message = f"{key} cannot be '{given.text}'; it is one of {', '.join(choices)}"
        faults.append(Fault(path, given.line, message))
    return None


def _signatures(fields: Fields, path: Path, faults: list[Fault]) -> tuple[Signature, ...]:
    signatures = []
    for value, line in fields.each("signatures"):
        try:
            signatures.append(Signature.from_front_matter(value))
        except SignatureError as error:
            faults.append(Fault(path, line, str(error)))
    return tuple(signatures)


def _sisters(fields: Fields) -> dict[str, Prose]:
    sisters = {}
    for item in fields.mappings("see"):
        slug = item.text("entry", "the-slug-of-the-sister")
        difference = item.text("difference", '"There the ... , here the ..."')
        item.unused("entry, difference")
        sisters[slug.text] = Prose(difference.text, slug.line)
    return sisters


def _proof(fields: Fields) -> Proof:
    proof = fields.mapping("proof")
    if proof is None:
        return Proof(provable=True, reason="", recorded="")
    reason = proof.text("reason", '"Needs a GPU."').text
    recorded = proof.text("recorded", '"the message"').text if "recorded" in proof else ""
    proof.unused("reason, recorded")
    return Proof(provable=False, reason=reason, recorded=recorded)


def _examples(document: Document, faults: list[Fault]) -> dict[str, Prose]:
    """The code blocks of the example section by their mark, `fails` or `works`."""
    examples: dict[str, Prose] = {}
    for fence in (f for s in document.sections if s.heading == _EXAMPLE for f in s.fences):
        mark = fence.info.removeprefix("python ").strip()
        if fence.info != f"python {mark}" or mark not in ("fails", "works") or mark in examples:
            message = (
                f"the example has a block '{fence.info}'; it holds one ```python fails block "
                "and one ```python works block, nothing else"
            )
            faults.append(Fault(document.path, fence.line - 1, message))
        else:
            examples[mark] = Prose(fence.code, fence.line)
    return examples
