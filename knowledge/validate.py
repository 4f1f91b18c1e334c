"""What makes entries unfit to be shown or shipped, found in all files at once.

Loading is quick and only asks whether an entry can be used. This asks the rest: whether it may be
shown (the templates render with and without slots, the examples are Python, the texts have room),
and whether it is finished (the translations are there and up to date, the examples too, and enough
symptoms to search by). A group's own entries must be fit; shipped ones must be finished as well.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from jinja2 import TemplateSyntaxError, meta, nodes

from knowledge.document import Fault, Fence, Prose
from knowledge.entry import SHIPPED, Volume, read_library
from knowledge.explain import ENVIRONMENT, render
from knowledge.language import Language
from knowledge.page import EnglishPage, Kind, Page, Translation
from knowledge.python_tree import parse_python
from knowledge.signature import Signature, SlotType, SlotValue

LONGEST_TITLE: Final = 100
"""Characters that Discord shows of a choice in a menu."""
LONGEST_SLUG: Final = 60
"""Characters for which the state that a button carries has room."""
LONGEST_TEXT: Final = 3500
"""Characters of summary, cause and fix together that an embed of 4,096 has room for."""
FEWEST_SYMPTOMS: Final[Mapping[Kind, int]] = {
    Kind.ERROR: 6,
    # These have no message, or none that learners quote: they are found by their symptoms alone.
    Kind.WARNING: 12,
    Kind.SILENT: 12,
    Kind.TIP: 12,
}
_SAMPLES: Final[Mapping[SlotType, SlotValue]] = {
    SlotType.INTEGER: 3,
    SlotType.NUMBER: 2.5,
    SlotType.WORD: "Float",
    SlotType.SHAPE: "[2, 3]",
    SlotType.TEXT: "some text",
}
_WITH_MESSAGE = (Kind.ERROR, Kind.WARNING)


def validate(directory: Path | None = None) -> tuple[Fault, ...]:
    """All faults of the entries in `directory` (the shipped ones by default), by file and line."""
    volumes, faults = read_library(directory or SHIPPED)
    found = [*faults]
    for volume in volumes:
        found += unfit(volume)
        found += unfinished(volume)
    return tuple(sorted(found, key=lambda fault: (fault.path, fault.line)))


def unfit(volume: Volume) -> Iterator[Fault]:
    """What is wrong in the files of an entry, so that it must not be shown."""
    if len(volume.slug) > LONGEST_SLUG:
        path = volume.english.path
        yield Fault(path, 1, f"the name is too long for a button; shorten it to {LONGEST_SLUG}")
    yield from _english(volume.english)
    for page in (volume.english, *volume.translations.values()):
        yield from _page(page, volume.english)


def unfinished(volume: Volume) -> Iterator[Fault]:
    """What the files of an entry lack; it can be shown without."""
    yield from _missing_examples(volume.english)
    yield from _translations(volume)
    for page in (volume.english, *volume.translations.values()):
        yield from _symptoms(page, volume.english)


def _english(page: EnglishPage) -> Iterator[Fault]:
    if page.kind in _WITH_MESSAGE and not page.signatures:
        yield Fault(
            page.path,
            page.signatures_line,
            f"kind {page.kind} has a message, but no signature; write it as a template",
        )
    for link in page.docs:
        if not link.startswith("https://"):
            yield Fault(page.path, page.docs_line, f"{link} is no link; write https://...")
    yield from _examples(page)
    yield from _proof(page)


def _missing_examples(page: EnglishPage) -> Iterator[Fault]:
    for name, code in (("fails", page.fails), ("works", page.works)):
        if code is None and page.proof.provable:
            yield Fault(
                page.path,
                page.fix.line,
                f"there is no ```python {name} block; add it under ## Example, or say under "
                "proof: reason: why none can be run",
            )


def _examples(page: EnglishPage) -> Iterator[Fault]:
    for name, code in (("fails", page.fails), ("works", page.works)):
        if code is None or not page.proof.provable:
            continue
        if error := _syntax_error(code.text):
            message = f"SyntaxError: {error.msg}"
            if name == "fails" and _matches(page.signatures, message, frames=error.text or ""):
                continue
            line = code.line + (error.lineno or 1) - 1
            yield Fault(page.path, line, f"the {name} block is no Python ({error.msg}); correct it")


def _proof(page: EnglishPage) -> Iterator[Fault]:
    if page.proof.provable or page.kind not in _WITH_MESSAGE:
        return
    recorded = page.proof.recorded
    if not recorded:
        yield Fault(
            page.path,
            page.proof_line,
            'proof has no recorded message; add recorded: "..." with one from a real run',
        )
    elif not _matches(page.signatures, recorded):
        yield Fault(
            page.path,
            page.proof_line,
            f"no signature matches the recorded message {recorded!r}; correct one or the other",
        )


def _matches(signatures: tuple[Signature, ...], text: str, *, frames: str = "") -> bool:
    frames_text = f"{text}\n{frames}"
    return any(s.match(text, frames_text=frames_text) is not None for s in signatures)


def _translations(volume: Volume) -> Iterator[Fault]:
    english = volume.english
    for language in (Language.JA, Language.ZH):
        path = english.path.with_name(f"{volume.slug}.{language}.md")
        page = volume.translations.get(language)
        if page is not None:
            yield from _translation(page, english)
        elif not path.exists():  # one that is there but broken has its own faults already
            yield Fault(path, 1, f"the translation of {english.path.name} is missing; write it")


def _translation(page: Translation, english: EnglishPage) -> Iterator[Fault]:
    if page.english.text != english.hash:
        yield Fault(
            page.path,
            page.english.line,
            f"stale: it translates the English text {page.english.text}, which is now "
            f"{english.hash}; bring it up to date, then write english: {english.hash}",
        )
    for slug in english.see.keys() - page.see.keys():
        yield Fault(page.path, page.see_line, f"see does not say how {slug} differs; translate it")
    for slug in page.see.keys() - english.see.keys():
        yield Fault(
            page.path,
            page.see[slug].line,
            f"see names {slug}, which the English file does not; remove it here or add it there",
        )


def _page(page: Page, english: EnglishPage) -> Iterator[Fault]:
    if len(page.title.text) > LONGEST_TITLE:
        yield Fault(
            page.path,
            page.title.line,
            f"the title has {len(page.title.text)} characters; shorten it to {LONGEST_TITLE}",
        )
    for fence in page.fences:
        yield from _hint(page, fence)
    yield from _prose(page, english.signatures)


def _symptoms(page: Page, english: EnglishPage) -> Iterator[Fault]:
    """Too few symptoms, where one that is there already in other spelling counts for nothing."""
    fewest = FEWEST_SYMPTOMS[english.kind]
    wordings: set[str] = set()
    for symptom in page.symptoms:
        wording = _wording(symptom)
        if wording in wordings:
            yield Fault(
                page.path,
                page.symptoms_line,
                f"the symptom {symptom!r} is there twice; say it in other words, or remove it",
            )
        wordings.add(wording)
    if len(wordings) < fewest:
        yield Fault(
            page.path,
            page.symptoms_line,
            f"{len(wordings)} different symptoms are too few to be found by; kind {english.kind} "
            f"needs {fewest}, in words that learners use",
        )


def _wording(symptom: str) -> str:
    """`symptom` without case, spaces, punctuation and width: what a search can tell apart."""
    folded = unicodedata.normalize("NFKC", symptom).casefold()
    return "".join(character for character in folded if character.isalnum())


def _hint(page: Page, fence: Fence) -> Iterator[Fault]:
    """Learners copy the code of a fix, so it too must be Python."""
    is_template = "{{" in fence.code or "{%" in fence.code
    if fence.info == "python" and not is_template and (error := _syntax_error(fence.code)):
        line = fence.line + (error.lineno or 1) - 1
        yield Fault(
            page.path,
            line,
            f"this python block is no Python ({error.msg}); correct it, or mark it ```text",
        )


def _prose(page: Page, signatures: tuple[Signature, ...]) -> Iterator[Fault]:
    names = frozenset(name for signature in signatures for name in signature.slots)
    sections = (page.summary, page.cause, page.fix)
    faults = [fault for prose in sections for fault in _template(page, prose, names)]
    yield from faults
    if faults:
        return
    length = 0
    for prose in sections:
        longest = 0
        for occasion, slots in _occasions(signatures):
            try:
                longest = max(longest, len(render(prose.text, names, slots)))
            except Exception as error:  # whatever an expression of a template can raise
                yield Fault(page.path, prose.line, f"cannot be rendered {occasion}: {error}")
                break
        length += longest
    if length > LONGEST_TEXT:
        yield Fault(
            page.path,
            page.summary.line,
            f"summary, cause and fix have {length} characters together, and Discord shows "
            f"{LONGEST_TEXT}; shorten them",
        )


def _template(page: Page, prose: Prose, names: frozenset[str]) -> Iterator[Fault]:
    """Faults of `prose` as a template: its syntax, and names that are no slot."""
    try:
        tree = ENVIRONMENT.parse(prose.text)
    except TemplateSyntaxError as error:
        yield Fault(
            page.path,
            prose.line + error.lineno - 1,
            f"broken template ({error.message}); check the {{{{ ... }}}} and {{% ... %}} here",
        )
        return
    unknown = meta.find_undeclared_variables(tree) - names - ENVIRONMENT.globals.keys()
    for name in sorted(unknown):
        uses = [use.lineno for use in tree.find_all(nodes.Name) if use.name == name]
        yield Fault(
            page.path,
            prose.line + min(uses, default=1) - 1,
            f"{name} is no slot of a signature; the slots are {', '.join(sorted(names)) or 'none'}",
        )


def _occasions(signatures: tuple[Signature, ...]) -> Iterator[tuple[str, dict[str, SlotValue]]]:
    """Every set of slots with which the entry can be asked to explain, in words and values."""
    yield "without slots", {}
    for signature in signatures:
        if signature.slots:
            samples = {name: _SAMPLES[kind] for name, kind in signature.slots.items()}
            yield f"with the slots of {signature.template!r}", samples


def _syntax_error(code: str) -> SyntaxError | None:
    try:
        parse_python(code)
    except SyntaxError as error:
        return error
    except ValueError as error:  # NUL bytes
        return SyntaxError(str(error))
    return None
