"""Which signatures fit a post, the strongest evidence first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ahocorasick_rs import BytesAhoCorasick

from knowledge.entry import Entry
from knowledge.post import ErrorReport, Post
from knowledge.signature import Signature, SlotValue, flat

MAX_ERRORS: Final = 12
"""How many errors of a post are looked up, the most decisive ones."""

_TELLING = 6
"""From so many characters on, a piece of a message is rare in other texts."""

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
    """Finds the signatures of a library that fit a post.

    A text is read once for the rarest literal piece of every signature (Aho-Corasick); only the
    signatures whose piece is there are tried, so that the time does not grow with the library.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._signatures = tuple(
            (number, signature)
            for number, entry in enumerate(entries)
            for signature in entry.signatures
        )
        shared = Counter(
            piece for _, signature in self._signatures for piece in set(signature.literals)
        )
        owners: dict[str, list[int]] = {}
        for place, (_, signature) in enumerate(self._signatures):
            owners.setdefault(_rarest(signature.literals, shared), []).append(place)
        self._owners = tuple(owners.values())
        """For each piece the places of the signatures that are looked for by it."""
        self._pieces = BytesAhoCorasick([_bytes(piece) for piece in owners])

    def find(self, post: Post) -> list[Hit]:
        """The best hit of each entry whose signatures fit `post`, best first.

        The errors are tried in their order, then the text as a whole.
        """
        best: dict[int, Hit] = {}
        everywhere: list[str] = []
        for order, error in enumerate(post.errors[:MAX_ERRORS]):
            frames = _frames_text(error)
            everywhere.append(frames)
            place = Place.DECISIVE if order == 0 else Place.OTHER_ERROR
            _collect(best, self._possible(error.text), error.text, frames, place, order)
        whole = self._possible(post.text)
        _collect(best, whole, post.text, "\n".join(everywhere), Place.TEXT, 0)
        return sorted(best.values(), key=lambda hit: hit.rank)

    def _possible(self, text: str) -> list[tuple[int, Signature]]:
        """The signatures, with their entries, that may fit `text`, in the order of the library."""
        found = self._pieces.find_matches_as_indexes(_bytes(flat(text)), overlapping=True)
        places = {place for piece, _, _ in found for place in self._owners[piece]}
        return [self._signatures[place] for place in sorted(places)]


def _rarest(pieces: Sequence[str], shared: Mapping[str, int]) -> str:
    """The piece that the fewest signatures have: texts that hold it are few. Not a tiny one."""
    return min(pieces, key=lambda piece: (len(piece) < _TELLING, shared[piece], -len(piece)))


def _bytes(text: str) -> bytes:
    # In bytes, because texts from strangers may hold half a character, which is no UTF-8.
    return text.encode("utf-8", "replace")


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
