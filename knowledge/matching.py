"""Which signatures fit a post, the strongest evidence first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from knowledge.entry import Entry
from knowledge.post import ErrorReport, Post
from knowledge.signature import Signature, SlotValue

MAX_ERRORS: Final = 12
"""How many errors of a post are looked up, the most decisive ones."""

_CONDITION = 40
"""A fulfilled condition on frames or text counts like so many literal characters: entries with
equal wordings are told apart by their conditions."""


class Place(IntEnum):
    """Where in a post a signature was found, the most telling first."""

    DECISIVE = 0
    OTHER_ERROR = 1
    TEXT = 2
    WEAK = 3


@dataclass(frozen=True)
class Hit:
    """One signature that fits; `entry` is the entry's place in the library."""

    entry: int
    signature: Signature
    slots: Mapping[str, SlotValue]
    place: Place
    order: int
    """0 for the most decisive error."""

    @property
    def strength(self) -> int:
        """How specific the signature is, in literal characters; more is more specific."""
        conditions = bool(self.signature.frames) + bool(self.signature.also)
        literal = len(self.signature.plain.replace(" ", ""))
        return literal + _CONDITION * conditions

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """Sorts hits, the best first."""
        return (self.place, self.order, -self.strength, self.entry)


class Matcher:
    """Finds the signatures of a library that fit a post."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        # Each signature with its longest unbroken piece of literal text: most of them can be
        # left out by looking for that alone.
        self._signatures = tuple(
            (number, signature, max(signature.plain.split(), key=len))
            for number, entry in enumerate(entries)
            for signature in entry.signatures
        )

    def find(self, post: Post) -> list[Hit]:
        """The best hit of each entry whose signatures fit `post`, best first.

        The errors are tried in their order, then the text as a whole.
        """
        errors = post.errors[:MAX_ERRORS]
        everything = "\n".join((post.text, *(error.text for error in errors)))
        possible = [
            (number, signature)
            for number, signature, piece in self._signatures
            if piece in everything
        ]
        best: dict[int, Hit] = {}
        everywhere: list[str] = []
        for order, error in enumerate(errors):
            frames = _frames_text(error)
            everywhere.append(frames)
            place = Place.DECISIVE if order == 0 else Place.OTHER_ERROR
            _collect(best, possible, error.text, frames, place, order)
        _collect(best, possible, post.text, "\n".join(everywhere), Place.TEXT, 0)
        return sorted(best.values(), key=lambda hit: hit.rank)


def _collect(
    best: dict[int, Hit],
    possible: Sequence[tuple[int, Signature]],
    text: str,
    frames: str,
    place: Place,
    order: int,
) -> None:
    for number, signature in possible:
        slots = signature.match(text, frames_text=frames)
        if slots is None:
            continue
        # A condition that holds makes a general wording specific.
        weak = signature.weak and not (signature.frames or signature.also)
        hit = Hit(number, signature, slots, Place.WEAK if weak else place, order)
        known = best.get(number)
        if known is None or _better(hit, known):
            best[number] = hit


def _better(hit: Hit, known: Hit) -> bool:
    """Within one entry and place the wording with more slots wins: it tells the learner more."""
    if (hit.place, hit.order) != (known.place, known.order):
        return (hit.place, hit.order) < (known.place, known.order)
    return (len(hit.slots), hit.strength) > (len(known.slots), known.strength)


def _frames_text(error: ErrorReport) -> str:
    return "\n".join(f"{frame.file} {frame.function} {frame.code}" for frame in error.frames)
