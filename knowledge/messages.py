"""Where an error's message ends: over how many lines, and over which blank ones, it goes on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowledge import frames as kinds
from knowledge.frames import ErrorLine
from knowledge.prefixes import Line

_MAX_LINES = 60
_STOP = re.compile(
    r"^\s*(?:>>>|\.\.\. |In ?\[|Out ?\[|\$ |\"\"\"|'''|# In\[|#{2,6} |#{1,2}\[|[-+]{2,}[-+ ]{2,}\d"
    r"|[=_]{3,} |[\w.-]{1,30}: (?:error|warning|fatal): "
    r"|(?:\([\w.-]{1,40}\) )?[\w.@~-]{1,40}[:~].{0,60}[$#] )"
)
_MARKUP = re.compile(r"^\s*(?:[#*|<>`]|-\s|\d{1,3}[.)、]\s)")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENTENCE_END = re.compile(r"[.!?。!?)\]}>`\"'…]\s*$")
_CLEARLY_ON = re.compile(
    r"^\s*(?:CUDA kernel errors|For debugging consider|Compile with `?TORCH|Exception raised from"
    r"|Search for|Device-side assert|(?:Missing|Unexpected) key\(s\) in|size mismatch for "
    r"|While copying the parameter|This probably means|To fix this issue|Error loading \""
    r"|The above operation failed|Set TORCH)"
)
_GOES_ON = re.compile(
    r"^\s*(?:Compile with|Hint\b|Target sizes"
    r"|If |Please |Consider |Your GPU|Got "
    r"|Expected |but got|In order to|You can |This (?:could|may|error|is)|To (?:fix|use|run)|Set "
    r"|Use |See |\(triggered|['\"])"
)
_SMALL = re.compile(r"^\s*[a-z(\[]")
_COMMENT = re.compile(r"^\s*(?://+|#+|--|%+|;+|\*)\s?")
_TRAILING_COMMENT = re.compile(r"\s#+\s?$")


def message_at(lines: Sequence[Line], place: int, error: ErrorLine) -> tuple[str, int]:
    """The whole message that begins at `place`, and the place of the first line after it."""
    first = lines[place].text
    comment = _COMMENT.match(first) or _TRAILING_COMMENT.search(first[: error.start][-8:])
    # Indentation behind a comment's mark tells nothing about where the message ends.
    depth = len(first) if comment else _indent(first)
    parts = [error.message]
    end = place + 1
    while end < len(lines) and len(parts) < _MAX_LINES:
        line = lines[end].text
        if not line or line.isspace():
            if comment or not _bridges(lines, end, depth, inline=error.inline):
                break
            parts.append("")
            end += 1
            continue
        if comment:
            mark = _COMMENT.match(line)
            if not mark:
                break
            line = line[mark.end() :]
        logged = lines[end].logged
        if lines[end].origin != lines[place].origin and not _CLEARLY_ON.match(line):
            break
        if starts_anew(line) or not _continues(parts[-1] or parts[0], line, depth, error, logged):
            break
        parts.append(line.strip())
        end += 1
    while parts and not parts[-1]:
        parts.pop()
        end -= 1
    return "\n".join(parts).strip(), max(end, place + 1)


def starts_anew(line: str) -> bool:
    """Whether `line` begins something that no message goes on with."""
    if "```" in line or _STOP.match(line) or kinds.is_rule(line) or kinds.is_native_frame(line):
        return True
    if kinds.HEADER.search(line) or kinds.CHAIN.search(line) or kinds.frame_of(line):
        return True
    if kinds.BOX_TOP.match(line) or kinds.CARETS.match(line) or kinds.ARROW.match(line):
        return True
    error = kinds.error_line(line)
    return bool(error and not error.inline) or kinds.warning_line(line) is not None


def _bridges(lines: Sequence[Line], end: int, depth: int, *, inline: bool) -> bool:
    """Whether the message goes on behind the blank line at `end`."""
    following = next((line.text for line in lines[end + 1 : end + 3] if line.text.strip()), "")
    if _CLEARLY_ON.match(following):
        return True
    return (
        not inline
        and _indent(following) > depth
        and not starts_anew(following)
        and not kinds.CONTEXT.match(following)
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _continues(before: str, line: str, depth: int, error: ErrorLine, logged: bool) -> bool:
    """Whether `line` goes on with the message whose last line is `before`.

    A logger begins a line with every record and wraps none: what is `logged` needs a clearer sign.
    """
    if not error.message and error.exception is not None:
        return True
    if _indent(line) > depth and not error.inline:
        return True
    if _CLEARLY_ON.match(line):
        return True
    if _MARKUP.match(line) or _CJK.match(line.lstrip()):
        return False
    if not _SENTENCE_END.search(before[-40:]) and not logged:
        return len(before) >= 40 or _SMALL.match(line) is not None or _ends_open(before, line)
    return _ends_open(before, line)


def _ends_open(before: str, line: str) -> bool:
    return before.endswith((",", "(", ":")) or _GOES_ON.match(line) is not None
