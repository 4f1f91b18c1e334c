"""Message templates with named, typed slots: how an entry recognises its error.

A template such as `"shapes cannot be multiplied ({rows:d}x{cols:d} and {:d}x{:d})"` is literal text
that may stand anywhere in an error's text. Whitespace in it matches any run of whitespace, line
breaks included. Texts come from strangers: every quantifier is bounded and every free-text slot
sits in an atomic group, so that no text can make a match slow.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

MAX_SLOT: Final = 200
"""The most characters that a slot can hold."""

SlotValue = int | float | str

_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")  # phones turn quotes into curly ones
_RUN = re.compile(r"\s{2,}|[^\S \n]")
_SLOT = re.compile(r"\{(?P<name>[^{}:]*):(?P<type>[^{}]*)\}|(?P<text>\{\{|\}\}|[^{}]+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MINIMUM = 3  # literal characters without which a template would match nearly everything

_DIM = r"(?:-?\d{1,12}|\*)"
_DIMS = rf"[ \n]?(?:{_DIM}(?:[ \n]?[,x][ \n]?{_DIM}){{0,11}}[ \n]?,?)?[ \n]?"
_SHAPE_PATTERN = (
    rf"(?:torch\.Size\(\[{_DIMS}\]\)|\[{_DIMS}\]|\({_DIMS}\)|\{{{_DIMS}\}}"
    rf"|\d{{1,12}}(?:[ ]?x[ ]?\d{{1,12}}){{1,11}})"
)
_DIM_FIND = re.compile(_DIM)


class SignatureError(ValueError):
    """A template that cannot be used; the message names it, the reason and the remedy."""


class SlotType(StrEnum):
    """What a slot accepts, named by the letter that templates write after the colon."""

    INTEGER = "d"
    NUMBER = "n"
    WORD = "w"
    SHAPE = "shape"
    TEXT = "t"


_TYPES: Final = frozenset(str(kind) for kind in SlotType)

# Pattern and longest match of each type. A word may hold dots, colons and slashes
# (`torch.cuda.FloatTensor`, `cuda:0`) but does not end in them: those belong to the sentence.
_PATTERNS: Final[Mapping[SlotType, tuple[str, int]]] = {
    SlotType.INTEGER: (r"[+-]?\d{1,20}", 21),
    SlotType.NUMBER: (
        r"[+-]?(?:\d{1,30}(?:\.(?:\d{1,30}|(?=[^\s\d.])))?(?:[eE][+-]?\d{1,3})?|nan|inf)",
        67,
    ),
    SlotType.WORD: (r"[\w</](?:[\w.:<>/+-]{0,98}[\w>])?", 100),
    SlotType.SHAPE: (_SHAPE_PATTERN, MAX_SLOT),
    SlotType.TEXT: (rf"[^\n]{{0,{MAX_SLOT}}}", MAX_SLOT),
}
# Where a template opens with a slot, the slot must open a word of the text too.
_OPENING: Final = r"(?<![\w.:/<])"
_WORD_INSIDE = re.compile(r"[\w.:<>/+-]")


@dataclass(frozen=True)
class _Slot:
    """A hole in a template; `name` is empty for a wildcard whose value is not kept."""

    name: str
    type: SlotType


@dataclass(frozen=True)
class Signature:
    """One wording of an error and the conditions under which it counts.

    `template` is searched anywhere in an error's text, case-sensitively. `since` and `until` name
    torch versions, as documentation only. At least one of `frames` (if there are any) and none of
    `without_frames` must occur in the text of the error's frames; every text of `also` and none
    of `unless` in the error's own text. A `weak` signature is so general that a match is only a
    hint.
    """

    template: str
    since: str | None = None
    until: str | None = None
    frames: tuple[str, ...] = ()
    without_frames: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    weak: bool = False

    def __post_init__(self) -> None:
        """Raise SignatureError for a template that cannot be used."""
        _parts(self.template)

    @classmethod
    def from_front_matter(cls, value: object) -> Signature:
        """The signature that an entry's front matter gives as a bare template or as a mapping.

        Raises SignatureError for an unknown key, a wrong type or a template that cannot be used.
        """
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, dict):
            raise SignatureError(
                f"signature {value!r} is neither a text nor a mapping; "
                'write - "the message" or - template: "the message"'
            )
        template = value.get("template")
        if not isinstance(template, str):
            raise SignatureError(
                'a signature has no template; write its message as template: "..."'
            )
        unknown = sorted(str(key) for key in value.keys() - _KEYS)
        if unknown:
            raise SignatureError(
                f"signature {template!r} has the unknown key {', '.join(unknown)}; "
                f"the keys are {', '.join(sorted(_KEYS))}"
            )
        weak = value.get("weak", False)
        if not isinstance(weak, bool):
            raise SignatureError(f"signature {template!r}: weak must be true or false")
        return cls(
            template,
            since=_version(template, value, "since"),
            until=_version(template, value, "until"),
            frames=_texts(template, value, "frames"),
            without_frames=_texts(template, value, "without_frames"),
            also=_texts(template, value, "also"),
            unless=_texts(template, value, "unless"),
            weak=weak,
        )

    @cached_property
    def slots(self) -> Mapping[str, SlotType]:
        """The named slots of the template, in order."""
        return {
            part.name: part.type
            for part in _parts(self.template)
            if isinstance(part, _Slot) and part.name
        }

    @cached_property
    def plain(self) -> str:
        """The literal text of the template, with a space for each slot."""
        pieces = (part if isinstance(part, str) else " " for part in _parts(self.template))
        return " ".join("".join(pieces).split())

    @property
    def readable(self) -> str:
        """The template as people read it: an ellipsis for each value that differs."""
        pieces = (part if isinstance(part, str) else "…" for part in _parts(self.template))
        return " ".join("".join(pieces).split())

    @property
    def literals(self) -> tuple[str, ...]:
        """The texts between the slots; `flat(text)` of a text that fits has each of them."""
        return _literals(self.template)[0]

    def match(self, text: str, *, frames_text: str = "") -> dict[str, SlotValue] | None:
        """The values of the named slots if this signature fits `text`, else None.

        `text` is an error's own text ("ExceptionType: message", all lines), `frames_text` that of
        its frames. The dictionary is empty when the template has no named slots.
        """
        lines, flat = _normalised(text)
        found = _search(self.template, lines, flat)
        if found is None:
            return None
        if not all(_flat(wanted) in flat for wanted in self.also):
            return None
        if any(_flat(unwanted) in flat for unwanted in self.unless):
            return None
        if self.frames or self.without_frames:
            frames = _normalised(frames_text)[1]
            if self.frames and not any(_flat(frame) in frames for frame in self.frames):
                return None
            if any(_flat(frame) in frames for frame in self.without_frames):
                return None
        return {name: _value(kind, found[name]) for name, kind in self.slots.items()}


_KEYS = frozenset(Signature.__dataclass_fields__)


def _texts(template: str, value: Mapping[object, object], key: str) -> tuple[str, ...]:
    texts = value.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
        raise SignatureError(
            f'signature {template!r}: {key} must be a list of texts; write {key}: ["..."]'
        )
    return tuple(texts)


def _version(template: str, value: Mapping[object, object], key: str) -> str | None:
    version = value.get(key)
    if version is not None and not isinstance(version, str):
        raise SignatureError(
            f'signature {template!r}: {key} must be a torch version in quotes, as in {key}: "1.8"'
        )
    return version


def flat(text: str) -> str:
    """`text` as signatures see it: with straight quotes, and a space for each run of whitespace."""
    return _normalised(text)[1]


@lru_cache(maxsize=16)
def _normalised(text: str) -> tuple[str, str]:
    """`text` with each run of whitespace as one space or line break, and with spaces only.

    Both have the same length, so that a position in one is a position in the other.
    """
    lines = _RUN.sub(lambda run: "\n" if "\n" in run[0] else " ", text.translate(_QUOTES))
    return lines, lines.replace("\n", " ")


@lru_cache(maxsize=4096)
def _flat(text: str) -> str:
    return " ".join(text.translate(_QUOTES).split())


@lru_cache(maxsize=4096)
def _parts(template: str) -> tuple[str | _Slot, ...]:
    """The literal texts (whitespace as single spaces) and slots of `template`, in order.

    Raises SignatureError when the template cannot be used.
    """
    parts: list[str | _Slot] = []
    source = _flat(template)
    position = 0
    while position < len(source):
        token = _SLOT.match(source, position)
        if token is None:
            raise SignatureError(
                f"signature {template!r} has a lone brace at {source[position : position + 20]!r}; "
                "write literal braces twice, {{ and }}"
            )
        position = token.end()
        if token["text"] is None:
            parts.append(_slot(template, token["name"], token["type"]))
            continue
        literal = token["text"] if token["text"] not in ("{{", "}}") else token["text"][0]
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)
    _check(template, parts)
    return tuple(parts)


def _slot(template: str, name: str, kind: str) -> _Slot:
    if kind not in _TYPES:
        raise SignatureError(
            f"signature {template!r}: slot {{{name}:{kind}}} has an unknown type; "
            f"the types are {', '.join(SlotType)}"
        )
    if name and (not _NAME.fullmatch(name) or keyword.iskeyword(name)):
        raise SignatureError(
            f"signature {template!r}: {name!r} cannot name a slot; "
            "use small letters, digits and underscores, and no Python keyword"
        )
    return _Slot(name, SlotType(kind))


def _check(template: str, parts: list[str | _Slot]) -> None:
    literal = "".join(part for part in parts if isinstance(part, str))
    if len(literal.replace(" ", "")) < _MINIMUM:
        raise SignatureError(
            f"signature {template!r} has too little literal text and would match everywhere; "
            f"keep at least {_MINIMUM} characters of the message"
        )
    names = [part.name for part in parts if isinstance(part, _Slot) and part.name]
    for name in {name for name in names if names.count(name) > 1}:
        raise SignatureError(
            f"signature {template!r} has the slot {name!r} twice; give each its own name"
        )
    first = parts[0]
    if isinstance(first, _Slot) and first.type is SlotType.TEXT:
        raise SignatureError(
            f"signature {template!r} opens with a {{:t}} slot, which has no beginning; "
            "open with literal text or with a {:w} slot"
        )
    for before, after in pairwise(parts):
        if isinstance(before, _Slot) and isinstance(after, _Slot) and before.type is after.type:
            raise SignatureError(
                f"signature {template!r} has two {{:{after.type}}} slots side by side; "
                "put the text that parts them between, or make them one"
            )


@lru_cache(maxsize=4096)
def _literals(template: str) -> tuple[tuple[str, ...], str, int, int]:
    """The literals of `template`, the longest of them, and a match's reach before and after that.

    The reach is the most characters that the rest of the template can take.
    """
    parts = _parts(template)
    literals = tuple(part for part in parts if isinstance(part, str))
    longest = max(literals, key=len)
    lengths = [len(p) if isinstance(p, str) else _PATTERNS[p.type][1] for p in parts]
    place = parts.index(longest)
    return literals, longest, sum(lengths[:place]), sum(lengths[place + 1 :])


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern[str]:
    """The regular expression of `template` over normalised text."""
    parts = _parts(template)
    source = _OPENING if isinstance(parts[0], _Slot) else ""
    open_groups = 0
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else None
        if isinstance(part, str):
            source += re.escape(part).replace(r"\ ", r"[ \n]")
            continue
        pattern = _PATTERNS[part.type][0]
        if part.type is SlotType.TEXT:
            # The shortest text after which the pieces up to the next free text fit. Atomic: once
            # found, it stands, or several free texts in one template would take powers of time.
            source += ")" * open_groups
            open_groups = 1 if following is not None else 0
            source += "(?>" * open_groups
            pattern += "?" * open_groups
        elif part.type is not SlotType.WORD or _cannot_continue_a_word(following):
            pattern = f"(?>{pattern})" if part.type is not SlotType.NUMBER else pattern
        source += f"(?P<{part.name}>{pattern})" if part.name else f"(?:{pattern})"
    return re.compile(source + ")" * open_groups)


def _cannot_continue_a_word(following: str | _Slot | None) -> bool:
    return isinstance(following, str) and not _WORD_INSIDE.match(following)


def _search(template: str, lines: str, flat: str) -> re.Match[str] | None:
    """The first match, looked for only where the literals of the template are."""
    literals, longest, before, after = _literals(template)
    first = flat.find(longest)
    if first < 0:
        return None
    start = max(0, first - before)
    end = flat.rfind(longest) + len(longest) + after
    position = start
    for literal in literals:
        found = flat.find(literal, position, end)
        if found < 0:
            return None
        position = found + len(literal)
    return _pattern(template).search(lines, start, end)


def _value(kind: SlotType, text: str) -> SlotValue:
    if kind is SlotType.INTEGER:
        return int(text)
    if kind is SlotType.NUMBER:
        return int(text) if text.lstrip("+-").isdecimal() else float(text)
    if kind is SlotType.SHAPE:
        return f"[{', '.join(_DIM_FIND.findall(text))}]"
    return text.strip()
