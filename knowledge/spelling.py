"""Mend what a screenshot's text recognition got wrong, only where a known word makes it certain.

A word is mended when it is unknown and exactly one known word looks like it (0 and O, 1 and l, rn
and m). Words of messages are mended in messages alone, never in code or in quoted names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from knowledge.prefixes import Line
from knowledge.vocabulary import EXCEPTIONS, message_words

_MAX_CHARS = 20_000
"""Of a longer text nobody took a photograph."""
_MESSAGE_LINES = 8

_LOOKS = str.maketrans({"0": "o", "O": "o", "1": "l", "I": "l", "i": "l", "|": "l", "5": "s"})
_HEADER = re.compile(
    r"Tr[ao]ceb[ao]ck\s{0,2}\(?\s?(?:m|rn)[o0]st\s{0,2}recent\s{0,2}ca[l1I|]{2}\s{0,2}[l1I|]ast\s?\)?\s?[:;.]?"
)
_FRAME = re.compile(
    r"^(?P<indent>\s{0,8})F[il1I|]{2}e\s?\"\s?(?P<file>[^\"\n]{1,300}?)\s?\"\s?[,.]\s?"
    r"[l1I|][il1I|]ne\s?(?P<line>[\dlIOo]{1,7})(?:\s?[,.]\s?[il1I|]n\s(?P<function>\S.*))?$"
)
_TYPE = re.compile(r"(?<![\w'\"])([A-Z][A-Za-z0-9|]{4,40})(?=\s?[:;](?:\s|$))")
_SPACED_TYPE = re.compile(r"(?<!\w)([A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20}){0,3} Error)\s?:(?=\s|$)")
_TWICE = re.compile(r"(?<!\w)([A-Z]\w{2,40}(?:Error|Exception))\1(?:\s?:)+")
_WORD = re.compile(r"(?<![\w'\"./\\])[A-Za-z0-9|]{4,30}(?![\w'\"\\]|[./]\w)")
_NUMBERS = re.compile(r"(?<![\w.])[\dOolIBS]{1,9}(?:x[\dOolIBS]{1,9}){1,4}(?!\w)")
_NUMBER = re.compile(r"(?<=[\[(, ])\d[\dOol]{1,8}(?=[\]), ])")
_DEVICE = re.compile(r"\bcuda:[OolI](?!\w)")
_DIGITS = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "B": "8", "S": "5"})
_TORCH_SPACES = re.compile(
    r"\btorch\s?\.\s?(?:(cuda)\s?\.\s?)?(?=(?:Size|Tensor|cuda|nn|[A-Z][a-z]{2,9}Tensor)\b)"
)
_SIZE = re.compile(r"\btorch\.Size\s?\(?\s?\[?\s?(\d[\d, ]{0,60}\d|\d)(?:\s?\])?(?:\s?\))?")
_PAIR = re.compile(r"(?:\(\s?)?\b(\d{1,9}x\d{1,9} and \d{1,9}x\d{1,9})\b(?:\s?\))?")


def mend(lines: Sequence[Line]) -> list[Line]:
    """`lines` with misread headers, frames, exception types and words of messages mended."""
    if sum(len(line.text) for line in lines) > _MAX_CHARS:
        return list(lines)
    mended = []
    left = 0
    for line in lines:
        text = _structure(line.text)
        if _TYPED.search(text):
            left = _MESSAGE_LINES
        elif not text.strip() or '"' in text[:8]:
            left = 0
        if left:
            text = _message(text)
            left -= 1
        mended.append(line if text == line.text else replace(line, text=text))
    return mended


_TYPED = re.compile(r"[A-Za-z]Error\s?: ?\S")


def _structure(text: str) -> str:
    if "ost" in text or "0st" in text:
        text = _HEADER.sub("Traceback (most recent call last):", text)
    if '"' in text:
        text = _FRAME.sub(_frame, text)
    if ":" in text or ";" in text:
        text = _TWICE.sub(r"\1:", text)
        text = _SPACED_TYPE.sub(_joined_type, text)
        text = _TYPE.sub(_type, text)
    return text


def _frame(found: re.Match[str]) -> str:
    function = f", in {found['function']}" if found["function"] else ""
    line = found["line"].translate(_DIGITS)
    return f'{found["indent"]}File "{found["file"].strip()}", line {line}{function}'


def _joined_type(found: re.Match[str]) -> str:
    name = found[1].replace(" ", "")
    return f"{name}:" if name in EXCEPTIONS else found[0]


def _type(found: re.Match[str]) -> str:
    name = found[1]
    if name in EXCEPTIONS:
        return name
    known = _look_alikes(EXCEPTIONS).get(_look(name), ())
    return known[0] if len(known) == 1 else name


def _message(text: str) -> str:
    """The line of a message with its words, numbers and brackets mended."""
    text = _WORD.sub(_word, text)
    text = _NUMBERS.sub(_numbers, text)
    text = _NUMBER.sub(lambda found: found[0].translate(_DIGITS), text)
    text = _DEVICE.sub(lambda found: "cuda:" + found[0][-1].translate(_DIGITS), text)
    if "torch" in text:
        text = _TORCH_SPACES.sub(lambda found: "torch." + ("cuda." if found[1] else ""), text)
        text = _SIZE.sub(r"torch.Size([\1])", text)
    if text.count("(") != text.count(")"):
        text = _PAIR.sub(r"(\1)", text)
    return text


def _word(found: re.Match[str]) -> str:
    word = found[0]
    if word.isdecimal() or word in EXCEPTIONS or word.lower() in _lower_words():
        return word
    known = _look_alikes(message_words()).get(_look(word), ())
    if len(known) == 1:
        return known[0]
    opens = found.string[: found.start()].rstrip().endswith((":", ".")) or not found.start()
    fitting = [other for other in known if other[0].isupper() == opens]
    return fitting[0] if len(fitting) == 1 else word


@lru_cache(maxsize=1)
def _lower_words() -> frozenset[str]:
    return frozenset(word.lower() for word in message_words())


def _numbers(found: re.Match[str]) -> str:
    parts = found[0].split("x")
    if not all(any(character.isdecimal() for character in part) for part in parts):
        return found[0]
    return found[0].translate(_DIGITS)


def _look(word: str) -> str:
    return word.translate(_LOOKS).replace("rn", "m").replace("vv", "w")


@lru_cache(maxsize=2)
def _look_alikes(words: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Known words by what they look like."""
    looks: dict[str, tuple[str, ...]] = {}
    for word in sorted(words):
        looks[_look(word)] = (*looks.get(_look(word), ()), word)
    return looks
