"""A learner's message, taken apart: errors, code, prose, language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from knowledge.clean import MAX_CHARS, clean
from knowledge.frames import Frame
from knowledge.language import Language, detect_language
from knowledge.layout import relaid
from knowledge.prefixes import strip_prefixes, untangle
from knowledge.reports import ErrorReport
from knowledge.snippets import split_code
from knowledge.spelling import mend
from knowledge.tracebacks import LineKind, read_tracebacks

__all__ = ["ErrorReport", "Frame", "Post", "parse"]

_LETTER = re.compile(r"[^\W\d_]")
_ENOUGH_LETTERS = 12


@dataclass(frozen=True)
class Post:
    """One message. `text` is all of it, cleaned of colours, boxes, prefixes and escapes.

    `errors` come most decisive first. `code` holds the blocks of code without tracebacks, `prose`
    what is neither.
    """

    text: str
    errors: tuple[ErrorReport, ...]
    code: tuple[str, ...]
    prose: str
    language: Language


def parse(text: str, *, limit: int = MAX_CHARS) -> Post:
    """Take `text` apart. Takes any str, never raises; reads about `limit` characters of it."""
    stripped = strip_prefixes(clean(text, limit=limit).split("\n"))
    whole = relaid(mend(untangle(stripped)))
    lines = [line.text for line in whole]
    errors, kinds = read_tracebacks(whole)
    text = "\n".join(lines)
    code, prose = split_code(lines, kinds)
    rest = "\n".join(
        line for line, kind in zip(lines, kinds, strict=True) if kind is LineKind.OTHER
    )
    return Post(text, errors, code, prose, _language(prose, rest, text))


def _language(prose: str, rest: str, text: str) -> Language:
    """The language of the prose; of comments, then of messages, only where there is no prose."""
    for source in (prose, rest):
        language = detect_language(source)
        if language is not Language.EN or len(_LETTER.findall(source)) >= _ENOUGH_LETTERS:
            return language
    return detect_language(text)
