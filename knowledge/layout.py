"""Give a traceback back its line breaks: lines run together, cut in two, or upside down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from knowledge.clean import MAX_LINE
from knowledge.prefixes import Line
from knowledge.vocabulary import EXCEPTIONS, message_words

_ONE_LINE_FRAME = re.compile(r"(?<=\S)\s+(?=File \"[^\"\n]{1,300}\", line \d)")
_ONE_LINE_CODE = re.compile(r"(, line \d{1,7}, in (?:<\w{1,20}>|[\w.]{1,80})) (?=\S)")
_ONE_LINE_ERROR = re.compile(
    r"(?<=[\w)\]'\"])\s+(?=(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception): )"
)
_WHOLE_FRAME = re.compile(r"\s*File \"[^\"\n]{1,400}\", line \d{1,9}, in \S")
_BEGUN_FRAME = re.compile(r"\s*File \"[^\"\n]{1,400}(?P<rest>\".{0,30})?$")
_NUMBER = re.compile(r"\d{1,9}")
_MAX_CUTS = 3
_LAST_WORD = re.compile(r"(?<![\w.'\"/\\])[A-Za-z]{1,30}$")
_FIRST_WORD = re.compile(r"[a-z]{1,30}(?![\w'\"/\\])")
_LAST_TYPE = re.compile(r"(?:^|(?<=[\s.]))[A-Z]\w{0,30}$")
_FIRST_TYPE = re.compile(r"[A-Za-z]\w{0,30}(?=:)")
_ERROR = re.compile(r"[A-Za-z](?:Error|Exception): ?\S")
_ANEW = re.compile(r"\s*(?:File \"|Traceback \(|[\w.]{2,80}(?:Error|Exception)\b|```|>)")
_MESSAGE_LINES = 12
_HEADER = re.compile(r"\s*Traceback \(most recent call last\)")
_FRAME = re.compile(r"\s*File \"[^\"\n]{1,400}\",? line \d")


def relaid(lines: Sequence[Line]) -> list[Line]:
    """`lines` as they were printed: one frame, one line of code, one error to a line."""
    whole = [part for line in lines for part in _unrolled(line)]
    return _upright(_uncut(whole))


def _unrolled(line: Line) -> Iterator[Line]:
    """The lines of a traceback that lost its line breaks."""
    if 'File "' not in line.text or not _ONE_LINE_FRAME.search(line.text):
        yield line
        return
    text = _ONE_LINE_CODE.sub(r"\1\n", _ONE_LINE_FRAME.sub("\n", line.text))
    for part in _ONE_LINE_ERROR.sub("\n", text).split("\n"):
        yield replace(line, text=part)


def _uncut(lines: list[Line]) -> list[Line]:
    """Join the lines that a narrow window cut in the middle of a word.

    A cut is certain where the pieces make a frame, an exception's name or a word of a known
    message. It also tells the window's width: all lines of exactly that width were cut.
    """
    joined, widths = _joined(lines, frozenset())
    return _joined(lines, frozenset(widths))[0] if widths else joined


def _joined(lines: list[Line], known: frozenset[int]) -> tuple[list[Line], set[int]]:
    """`lines` joined at certain cuts and at lines of a `known` width; the widths of the certain."""
    widths: set[int] = set()
    whole: list[Line] = []
    place = left = 0
    while place < len(lines):
        line = lines[place]
        text = line.text
        place += 1
        frame = _joined_frame(lines, place - 1) if 'File "' in text else None
        if frame:
            text, end = frame
            widths.add(len(lines[place - 1].text))
            place = end
        left = _MESSAGE_LINES if _tells_error(text) else max(left - 1, 0)
        last = lines[place - 1].text
        while place < len(lines) and len(text) < MAX_LINE:
            following = lines[place].text
            if not following or following.isspace() or _ANEW.match(following):
                break
            space = ""
            if _is_cut(last, following, inside=left > 0):
                widths.add(len(last))
            elif len(last) + 1 in known:  # a space stood where the line was cut
                space = " "
            elif len(last) not in known:
                break
            text += space + following
            last = following
            place += 1
        if text is line.text:
            whole.append(line)
            continue
        left = _MESSAGE_LINES if _tells_error(text) else left
        whole.append(replace(line, text=text))
    return whole, widths


def _tells_error(text: str) -> bool:
    return ("rror" in text or "xception" in text) and _ERROR.search(text) is not None


def _joined_frame(lines: list[Line], place: int) -> tuple[str, int] | None:
    """The frame whose first piece is at `place`, and the place behind its last piece."""
    text = lines[place].text
    begun = _BEGUN_FRAME.match(text)
    if not begun or not '", line 0, in '.startswith(_NUMBER.sub("0", begun["rest"] or "")):
        return None
    for end in range(place + 1, min(place + 1 + _MAX_CUTS, len(lines))):
        piece = lines[end].text
        if not piece.strip() or _ANEW.match(piece):
            return None
        for joint in ("", " "):
            if _WHOLE_FRAME.match(text + joint + piece.strip()):
                return text + joint + piece.strip(), end + 1
        text += piece.strip()
    return None


def _is_cut(before: str, after: str, *, inside: bool) -> bool:
    """Whether a word was cut between two lines; words of messages count `inside` a message."""
    if not after[0].isalpha():
        return False
    first = _FIRST_TYPE.match(after)
    last = _LAST_TYPE.search(before[-32:]) if first else None
    if first and last and last[0] + first[0] in EXCEPTIONS:
        return True
    begun = _LAST_WORD.search(before[-40:]) if inside and len(before) >= 20 else None
    ended = _FIRST_WORD.match(after) if begun else None
    if not begun or not ended:
        return False
    words = message_words()
    return begun[0] + ended[0] in words and not (begun[0] in words and ended[0] in words)


def _upright(lines: list[Line]) -> list[Line]:
    """Turn over the tracebacks that stand upside down: the error first, the header last."""
    turned = list(lines)
    for place, line in enumerate(lines):
        if "Traceback" not in line.text or not _HEADER.match(line.text):
            continue
        if place + 1 < len(lines) and _FRAME.match(lines[place + 1].text):
            continue
        top = place
        while top and (_FRAME.match(lines[top - 1].text) or lines[top - 1].text[:1] in (" ", "\t")):
            top -= 1
        if top < place and top and _FRAME.match(lines[place - 1].text):
            error = lines[top - 1].text
            if _tells_error(error):
                turned[top - 1 : place + 1] = lines[top - 1 : place + 1][::-1]
    return turned
