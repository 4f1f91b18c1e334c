"""Undo what terminals, loggers, notebooks and web pages do to a pasted text.

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

MAX_LINE: Final = 4_000
"""How much of one line is read; of a longer one the head and the tail are kept."""

_ANSI = re.compile(
    r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)|\x1b[@-_]?"
)
_ESCAPED_ANSI = re.compile(r"(?:\\u001b|\\x1b|\\033|\\e|\^\[)\[[0-9;]{0,16}m")
_BARE_ANSI = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3}){0,5})m")
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "))
_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_BREAK_TAG = re.compile(r"<(?:br|/p|/div|/li|/pre|/tr)\s{0,4}/?>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:pre|code|span|p|div|b|strong|em|i|u|font|details|summary|li|ul|ol|td|tr|table|kbd)"
    r"(?:\s[^<>\n]{0,200})?>",
    re.IGNORECASE,
)
_MARKDOWN_ESCAPE = re.compile(r"\\([_*\[\]`<>])")

_PREFIX = re.compile(
    r"""(?x)
      \ {0,3}>(?!>|\ {7}\S)\ ?                               # > quoted, but not pytest's arrow
    | \ {0,3}>(?=>\ (?!>))\ ?                               # >> quoted twice, but not a >>> prompt
    | \[?(?:rank|default|local_rank|Rank)\s?\d{1,4}\]?:\s?  # [rank0]: of torchrun
    | \[\d{1,3},\d{1,4}\]<std(?:err|out)>:\s?               # [1,0]<stderr>: of mpirun
    | \([\w.]{1,60}\ pid=\d{1,9}(?:,\ ip=[\d.]{1,15})?\)\s? # (Worker pid=12) of ray
    | \[?\d{4}[-/]\d\d[-/]\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?   # a date and a time
      (?:Z|[+-]\d\d:?\d\d)?\]?\s?[:|-]?\s?
    | \[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]\s?                # [10:22:33]
    | [EWIF]\d{4}\ \d\d:\d\d:\d\d\.\d{1,6}\ {1,4}\d{1,9}\ [\w./\\-]{1,200}:\d{1,6}\]\s?   # glog
    | \[?(?:ERROR|WARNING|CRITICAL|INFO|DEBUG|FATAL)\]?(?::[\w.]{1,60}:|\ ?[:|-]\ ?)
    | \ {2,20}\|\ ?                                          # exception groups
    | [|]\ (?=Traceback|\ {2,}File\ "|[A-Za-z_.]{1,60}(?:Error|Exception)\b)
    """
)
_PREFIX_HINT = frozenset("> [(|0123456789EWIFCDrdlR\t")
_COMPOSE = re.compile(r"[A-Za-z][\w.]{0,40}-\d{1,4} {1,8}\| ?")  # worker-1  | of compose
_KEEP_LEVEL = re.compile(
    r"\[?(?:ERROR|WARNING|CRITICAL|INFO|DEBUG|FATAL)\]?\s?:\s(?:Could not|No matching|pip)"
)
_PYTEST = re.compile(r"E {2,7}(?=\s*\S)")
_BOX = re.compile(r"^\s*[│┃]\s?(?P<inside>.*?)\s*[│┃]?\s*$")
_GUIDE = re.compile(r"[│┃]")
_DIGITS_PREFIX = re.compile(r"\d{1,3}: (?=Traceback| {2,}File \"|\w{1,60}Error\b)")
_ONE_LINE_FRAME = re.compile(r"(?<=\S)\s+(?=File \"[^\"\n]{1,300}\", line \d)")
_ONE_LINE_CODE = re.compile(r"(, line \d{1,7}, in (?:<\w{1,20}>|[\w.]{1,80})) (?=\S)")
_ONE_LINE_ERROR = re.compile(
    r"(?<=[\w)\]'\"])\s+(?=(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception): )"
)


def clean(text: str, *, limit: int = MAX_CHARS) -> str:
    """`text` as it was before it was coloured, boxed, quoted, prefixed or escaped.

    Takes any str; at most about `limit` characters are read.
    """
    text = _bounded(text, limit)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = text.replace("\x0c", "\n").replace("\x85", "\n")
    text = _SURROGATE.sub("\ufffd", text)
    text = _one_string(text)
    text = "\n".join(_from_notebook_file(line) for line in text.split("\n"))
    text = _without_colours(text)
    text = _INVISIBLE.sub("", text).translate(_SPACES).translate(_QUOTES)
    text = _without_html(text)
    if "\\" in text:
        text = _MARKDOWN_ESCAPE.sub(r"\1", text)
    lines: list[str] = []
    for line in text.split("\n"):
        lines.extend(_unrolled(_bounded_line(_without_prefixes(line))))
    return "\n".join(lines)


def _bounded(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 3
    return text[:head] + "\n…\n" + text[len(text) - (limit - head) :]


def _bounded_line(line: str) -> str:
    if len(line) <= MAX_LINE:
        return line.rstrip()
    return line[: MAX_LINE // 2] + " … " + line[len(line) - MAX_LINE // 2 :].rstrip()


def _one_string(text: str) -> str:
    """The lines of a text that was pasted as one quoted string, with `\\n` for each line break."""
    if "\\n  File " not in text and '\\n  File \\"' not in text:
        return text
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")


def _from_notebook_file(line: str) -> str:
    """The text of a line of a raw .ipynb file: a JSON string with an escaped break or colour."""
    stripped = line.strip().rstrip(",")
    if not (len(stripped) > 1 and stripped[0] == stripped[-1] == '"' and "\\" in stripped):
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


def _without_html(text: str) -> str:
    if "<" in text:
        text = _TAG.sub("", _BREAK_TAG.sub("\n", text))
    return html.unescape(text) if "&" in text and _ENTITY.search(text) else text


def _without_prefixes(line: str) -> str:
    """`line` without the quote marks, ranks, timestamps and frames put before and around it."""
    box = _BOX.match(line) if "│" in line or "┃" in line else None
    if box:
        line = _GUIDE.sub(" ", box["inside"])
    compose = _COMPOSE.match(line) if "| " in line[:60] else None
    if compose:
        line = line[compose.end() :]
    for _ in range(4):
        if not line or line[0] not in _PREFIX_HINT:
            break
        if _KEEP_LEVEL.match(line):
            break
        found = _PREFIX.match(line) or _DIGITS_PREFIX.match(line)
        if not found or found.end() == 0:
            break
        line = line[found.end() :]
    pytest = _PYTEST.match(line)
    return line[pytest.end() :] if pytest else line


def _unrolled(line: str) -> list[str]:
    """The lines of a traceback that lost its line breaks."""
    if 'File "' not in line or not _ONE_LINE_FRAME.search(line):
        return [line]
    lines = _ONE_LINE_CODE.sub(r"\1\n", _ONE_LINE_FRAME.sub("\n", line))
    return _ONE_LINE_ERROR.sub("\n", lines).split("\n")
