"""Undo what terminals, notebooks, keyboards and web pages do to the characters of a pasted text.

Everything here is linear in the length of the text: it comes from strangers.
"""

from __future__ import annotations

import html
import json
import re
from typing import Final

MAX_CHARS: Final = 200_000
"""How much of a post is read. Of a longer one the head and the tail are kept: the decisive lines of
a traceback stand at its end, what the learner asks mostly at the beginning."""

MAX_LINES: Final = 1_500
"""How many lines of a post are read; of more the first and the last are kept."""

MAX_LINE: Final = 4_000
"""How much of one line is read; of a longer one the head and the tail are kept."""

_ANSI = re.compile(
    r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)|\x1b[@-_]?"
)
_ESCAPED_ANSI = re.compile(r"(?:\\u001b|\\x1b|\\033|\\e|\^\[)\[[0-9;]{0,16}m")
_BARE_ANSI = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3}){0,5})m")
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES: Final = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
_QUOTES: Final = (("\u2018", "'"), ("\u2019", "'"), ("\u201c", '"'), ("\u201d", '"'))

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_BREAK_TAG = re.compile(r"<(?:br|/p|/div|/li|/pre|/tr)\s{0,4}/?>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:pre|code|span|p|div|b|strong|em|i|u|font|details|summary|li|ul|ol|td|tr|table|kbd)"
    r"(?:\s[^<>\n]{0,200})?>",
    re.IGNORECASE,
)
_MARKDOWN_ESCAPE = re.compile(r"\\([_*\[\]`<>])")

_LINK = re.compile(
    r"\[(?P<text>(?:<ipython|[~/\w.])[^\[\]\n]{1,300}(?:\.py|>))\]\((?:https?|file)://[^)\s]{1,400}\)"
)
_WINDOWS_PATH = re.compile(r"\b[A-Za-z]:\\")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")
_FULL_LETTERS = {
    code: chr(code - 0xFEE0)
    for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_FULL_SIGNS = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_CJK = re.compile("[\u3001-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def clean(text: str, *, limit: int = MAX_CHARS) -> str:
    """`text` as it was before it was coloured, converted or escaped, line ends made equal.

    Takes any str; at most about `limit` characters are read.
    """
    text = _bounded(text, limit)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\x0c", "\n").replace("\x85", "\n")
    text = _SURROGATE.sub("\ufffd", text)
    lines = _bounded_lines(_one_string(text).split("\n"))
    text = "\n".join(_from_notebook_file(line) for line in lines)
    text = _without_html(_without_colours(text))
    text = _with_plain_signs(_INVISIBLE.sub("", text))
    if "](" in text:
        text = _LINK.sub(r"\g<text>", text)
    lines = [_plain(_bounded_line(line)) for line in text.split("\n")]
    return "\n".join(_bounded_lines(lines))


def _bounded(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 3
    return text[:head] + "\n…\n" + text[len(text) - (limit - head) :]


def _bounded_lines(lines: list[str]) -> list[str]:
    if len(lines) <= MAX_LINES:
        return lines
    head = MAX_LINES // 3
    return [*lines[:head], "…", *lines[len(lines) - (MAX_LINES - head) :]]


def _bounded_line(line: str) -> str:
    line = line.rstrip()
    if len(line) <= MAX_LINE:
        return line
    return line[: MAX_LINE // 2] + " … " + line[len(line) - MAX_LINE // 2 :].rstrip()


def _one_string(text: str) -> str:
    """The lines of a text that was pasted as one quoted string, with `\\n` for each line break."""
    if "\\n  File " not in text and '\\n  File \\"' not in text:
        return text
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")


def _from_notebook_file(line: str) -> str:
    """The text of a line of a raw .ipynb file: a JSON string with an escaped break or colour."""
    if "\\" not in line:
        return line
    stripped = line.strip().rstrip(",")
    if not (len(stripped) > 1 and stripped[0] == stripped[-1] == '"'):
        return line
    if "\\n" not in stripped and "\\u001b" not in stripped:
        return line
    try:
        value = json.loads(stripped)
    except ValueError:
        return line
    return value.rstrip("\n") if isinstance(value, str) else line


def _without_colours(text: str) -> str:
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "[" in text:
        text = _ESCAPED_ANSI.sub("", text)
        if "[0m" in text or "[00m" in text:
            text = _BARE_ANSI.sub("", text)
    return text


def _with_plain_signs(text: str) -> str:
    if text.isascii():
        return text
    for space in _SPACES:
        text = text.replace(space, " ")
    for quote, plain in _QUOTES:
        text = text.replace(quote, plain)
    return text


def _without_html(text: str) -> str:
    if "<" in text:
        text = _TAG.sub("", _BREAK_TAG.sub("\n", text))
    for _ in range(2):  # what was quoted twice is escaped twice
        if "&" in text and _ENTITY.search(text):
            text = html.unescape(text).replace("\r", "\n")
    return text


def _plain(line: str) -> str:
    """`line` without Markdown's escapes and full-width letters."""
    if "\\" in line and not _WINDOWS_PATH.search(line):
        line = _MARKDOWN_ESCAPE.sub(r"\1", line)
    return narrowed(line)


def narrowed(text: str) -> str:
    """`text` with full-width characters made plain.

    Beside Chinese or Japanese words these are letters and digits alone: sentences keep their own
    punctuation.
    """
    if text.isascii() or not _FULL_WIDTH.search(text):
        return text
    table = _FULL_LETTERS if _CJK.search(text) else _FULL_SIGNS
    return _FULL_WIDTH.sub(lambda found: found[0].translate(table), text)
