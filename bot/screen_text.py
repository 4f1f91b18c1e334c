"""Puts the pieces of text that were found on a screenshot back into lines, as they stood there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

_Pixels = Annotated[float, Field(ge=-10_000, le=100_000)]

MAX_CHARS: Final = 8_000
"""Characters of a text that is taken from an image."""
_MARKS: Final = re.compile(r"^[\s^~\-_'‘’\"“”AMVWΛˆ´`*.·…]+$")
"""What a line of carets looks like to a recogniser."""
_ERROR: Final = re.compile(r"^[A-Z][\w.]{2,80}: ")
_QUOTE: Final = re.compile(r"(?<!\w)['\"]|['\"](?!\w)")
_LONG: Final = 8
_INDENTS: Final = 60


class Box(BaseModel):
    """One piece of text and where it stands, in pixels from the top left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: _Pixels
    top: _Pixels
    right: _Pixels
    bottom: _Pixels
    text: Annotated[str, Field(max_length=2_000)]

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top


def text_of(boxes: Sequence[Box]) -> str:
    """The text of an image: pieces beside each other joined, indentation as wide as it was.

    Lines of nothing but carets, which mark a place in the line above, are left out.
    """
    written = [box for box in boxes if box.text.strip() and box.height > 0]
    if not written:
        return ""
    width = _width_of_a_letter(written)
    margin = min(box.left for box in written)
    lines = [_joined(row, width, margin) for row in _rows(written)]
    kept = [_closed(line) for line in lines if not _MARKS.match(line)]
    return "\n".join(kept)[:MAX_CHARS]


def _closed(line: str) -> str:
    """An error's line with its last quotation mark, which recognisers lose at a line's end."""
    if not _ERROR.match(line):
        return line
    marks: list[str] = _QUOTE.findall(line)
    for mark in ("'", '"'):
        if marks.count(mark) % 2 and marks[-1] == mark and not line.endswith(mark):
            return line + mark
    return line


def _rows(boxes: Iterable[Box]) -> list[list[Box]]:
    """The boxes by line, from the top; those of one line from the left."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda each: each.middle):
        row = rows[-1] if rows else []
        if row and abs(box.middle - median(each.middle for each in row)) < 0.5 * min(
            box.height, median(each.height for each in row)
        ):
            row.append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda each: each.left) for row in rows]


def _joined(row: Sequence[Box], width: float, margin: float) -> str:
    line = " " * min(_INDENTS, _columns(row[0].left - margin, width)) + row[0].text.strip()
    for before, box in pairwise(row):
        gap = max(1, min(_INDENTS, _columns(box.left - before.right, width)))
        line += " " * gap + box.text.strip()
    return line


def _columns(pixels: float, width: float) -> int:
    return max(0, round(pixels / width))


def _width_of_a_letter(boxes: Sequence[Box]) -> float:
    """How wide a letter is, in pixels: the median over the pieces that are long enough to tell."""
    widths = [(box.right - box.left) / _letters(box.text) for box in boxes]
    telling = [
        width for box, width in zip(boxes, widths, strict=True) if _letters(box.text) >= _LONG
    ]
    return max(1.0, median(telling or widths))


def _letters(text: str) -> int:
    """How many columns a text takes: Chinese and Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text) or 1
