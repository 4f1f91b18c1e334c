"""Text that strangers wrote, made safe to show: nothing invisible, nothing that breaks out.

A snippet's output may hold escape codes, characters that reorder a line, backticks that close a
code block, and mentions. What cannot be shown is written out (`\\u202e`), so that it is seen.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum

GAP = "⋯"
"""Stands where text was left out."""

_ANSI = re.compile(
    r"""
      (?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]               # colours, cursor movements
    | (?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)   # titles, links
    | \x1b[ -/]*[0-~]                               # everything short
    """,
    re.VERBOSE,
)
_MENTION = re.compile(r"@(?=everyone|here)|(?<=<)[@#](?=[!&]?\d)")
_LOOKALIKE = {"@": "＠", "#": "＃"}
_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters by category, but drawn as nothing."""


class Keep(Enum):
    """Which part of a text survives when it is cut."""

    HEAD = "head"
    TAIL = "tail"
    ENDS = "ends"


@dataclass(frozen=True)
class Cut:
    """A text within its room, and whether something was left out."""

    text: str
    shortened: bool


def units(text: str) -> int:
    """The length of `text` in UTF-16 units: never less than Discord counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def visible(text: str) -> str:
    """`text` as a terminal would leave it, with every invisible character written out.

    Escape codes go; of a line that was overwritten (a progress bar) the last state stays; control,
    format and bidirectional characters and lone surrogates become `\\uXXXX`.
    """
    lines = _ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    settled = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    if settled.isascii() and settled.isprintable():
        return settled
    return "".join(map(_written_out, settled))


def _written_out(character: str) -> str:
    if character in "\n\t":
        return character
    if unicodedata.category(character) in _ESCAPED or character in _BLANKS:
        code = ord(character)
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return character


def without_mentions(text: str) -> str:
    """`text` in which nothing reads as a mention of a person, a role, a channel or everyone."""
    return _MENTION.sub(lambda found: _LOOKALIKE[found[0]], text)


def cut(text: str, room: int, keep: Keep = Keep.ENDS) -> Cut:
    """At most `room` UTF-16 units of `text`, with a gap sign where lines were left out.

    Cuts between lines where that costs little. `room` is 16 at least.
    """
    if units(text) <= room:
        return Cut(text, False)
    free = room - 2 * len(f"\n{GAP}\n")
    if keep is Keep.HEAD:
        return Cut(f"{_head(text, free)}\n{GAP}", True)
    if keep is Keep.TAIL:
        return Cut(f"{GAP}\n{_tail(text, free)}", True)
    return Cut(f"{_head(text, free // 3)}\n{GAP}\n{_tail(text, free - free // 3)}", True)


def _head(text: str, room: int) -> str:
    raw = text[:room].encode("utf-16-le", "surrogatepass")[: 2 * room]
    part = raw.decode("utf-16-le", "ignore")
    whole_lines = part.rpartition("\n")[0]
    return whole_lines if 2 * len(whole_lines) >= len(part) else part


def _tail(text: str, room: int) -> str:
    raw = text[-room:].encode("utf-16-le", "surrogatepass")[-2 * room :]
    part = raw.decode("utf-16-le", "ignore")
    whole_lines = part.partition("\n")[2]
    return whole_lines if 2 * len(whole_lines) >= len(part) else part


def cut_lines(text: str, most: int, keep: Keep = Keep.ENDS) -> Cut:
    """At most `most` lines of `text` (3 at least), the gap sign included."""
    lines = text.split("\n")
    if len(lines) <= most:
        return Cut(text, False)
    free = most - 1
    head = {Keep.HEAD: free, Keep.TAIL: 0, Keep.ENDS: free // 3}[keep]
    tail = free - head
    return Cut("\n".join((*lines[:head], GAP, *(lines[-tail:] if tail else ()))), True)


def fenced(
    text: str,
    room: int,
    *,
    syntax: str = "",
    keep: Keep = Keep.ENDS,
    most_lines: int | None = None,
) -> Cut:
    """`text` as a code block of at most `room` UTF-16 units that nothing inside can close.

    `text` is not blank. `syntax` is the name by which Discord colours the block ("py"), or nothing.
    """
    # Text far beyond the room is not worth cleaning; cleaning seldom makes it ten times shorter.
    rough = cut(text, 10 * room, keep)
    body = without_mentions(visible(rough.text)).replace("```", "ˋˋˋ").strip("\n").rstrip()
    body = body or GAP  # nothing but what a terminal does not show
    few = cut_lines(body, most_lines, keep) if most_lines else Cut(body, False)
    opening, closing = f"```{syntax}\n", "\n```"
    inside = cut(few.text, room - len(opening) - len(closing), keep)
    shortened = rough.shortened or few.shortened or inside.shortened
    return Cut(f"{opening}{inside.text}{closing}", shortened)


def inline(text: str, room: int = 100) -> str:
    """`text` as inline code on one line of at most `room` UTF-16 units."""
    body = " ".join(without_mentions(visible(text)).replace("`", "ˋ").split()) or " "
    if units(body) > room - 2:
        body = _head(body, room - 3) + GAP
    return f"`{body}`"


def one_line(text: str, room: int) -> str:
    """`text` as plain words on one line of at most `room` UTF-16 units, for titles and labels."""
    body = " ".join(without_mentions(visible(text)).split())
    return body if units(body) <= room else _head(body, room - 1) + GAP


def clip_markdown(text: str, room: int) -> Cut:
    """At most `room` UTF-16 units of trusted Markdown, cut between paragraphs, no block left open.

    Backticks stay as they are: the text comes from the library of entries, which escapes a
    learner's values on its own.
    """
    clean = without_mentions(text).strip()
    if units(clean) <= room:
        return Cut(clean, False)
    ending = f"\n```\n{GAP}"
    part = _head(clean, room - len(ending))
    paragraphs = part.rpartition("\n\n")[0]
    if 2 * len(paragraphs) >= len(part):
        part = paragraphs
    if part.count("```") % 2 == 0:
        ending = f"\n{GAP}"
    return Cut(part.rstrip() + ending, True)
