"""One set of entries with everything by which they are found."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from knowledge.encoder import Encoder
from knowledge.entry import Entry
from knowledge.index import EXHAUSTIVE, VectorIndex
from knowledge.lexical import LexicalIndex
from knowledge.matching import Hit, Matcher

CANDIDATES: Final = 64
"""How many entries of a large library are taken by their words, and as many by their meaning."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """The entries that are weighed for a post; scores hold one number for each of them."""

    entries: tuple[Entry, ...]
    kinds: npt.NDArray[np.str_]
    hits: tuple[Hit, ...]
    """The signatures that fit, best first; a hit's `entry` is its place in `entries`."""
    lexical: Scores
    nearness: Scores | None
    """How near the meaning is, in standard deviations from the library's mean; None if not asked.

    Models differ in what cosine is near, so the cosine alone says little."""


class Catalogue:
    """Entries, and the indexes over them. Never changes, so that threads can share it.

    The index of vectors is made when it is first needed; `previous` is a catalogue whose vectors
    are used again for texts that have not changed.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        encoder: Encoder,
        cache: Path | None = None,
        *,
        exhaustive: int = EXHAUSTIVE,
        previous: Catalogue | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self.encoder = encoder
        self.matcher = Matcher(self.entries)
        self.lexical = LexicalIndex(self.entries)
        self._kinds = np.array([entry.kind.value for entry in self.entries], dtype=np.str_)
        self._cache = cache
        self._exhaustive = exhaustive
        self._lock = threading.Lock()
        self._vectors: VectorIndex | None = None
        self._previous = previous._vectors if previous is not None else None

    @cached_property
    def by_slug(self) -> Mapping[str, Entry]:
        """The entries by their names."""
        return {entry.slug: entry for entry in self.entries}

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {entry.slug: place for place, entry in enumerate(self.entries)}

    @property
    def has_vectors(self) -> bool:
        """Whether the index of vectors is there."""
        return self._vectors is not None

    def vectors(self) -> VectorIndex:
        """The index of vectors. Raises EncoderError when the model cannot be loaded."""
        with self._lock:
            if self._vectors is None:
                self._vectors = VectorIndex.open(
                    self.entries,
                    self.encoder,
                    self._cache,
                    exhaustive=self._exhaustive,
                    previous=self._previous,
                )
                self._previous = None
            return self._vectors

    def weigh(
        self, hits: Sequence[Hit], words: str, meaning: str | None, slugs: Iterable[str] = ()
    ) -> Candidates:
        """The scores of all entries, or, of a large library, of those that may come first.

        `words` are searched word by word, `meaning` (unless None) by the encoder; `hits` and
        entries named in `slugs` are always among the candidates. Raises EncoderError.
        """
        query = None if meaning is None else self.encoder.queries([meaning])
        if len(self.entries) <= self._exhaustive:
            nearness = None
            if query is not None:
                cosines = self.vectors().similarities(query)
                nearness = _standard(cosines, float(cosines.mean()), float(cosines.std()))
            scores = self.lexical.scores(words)
            return Candidates(self.entries, self._kinds, tuple(hits), scores, nearness)
        chosen = {hit.entry for hit in hits}
        chosen.update(self._places[slug] for slug in slugs if slug in self._places)
        chosen.update(self.lexical.nearest(words, CANDIDATES).tolist())
        if query is not None:
            chosen.update(self.vectors().nearest(query, CANDIDATES).tolist())
        places = sorted(chosen)
        order = {place: number for number, place in enumerate(places)}
        numbers = np.array(places, dtype=np.int64)
        nearness = None
        if query is not None:
            cosines = self.vectors().similarities(query, numbers)
            nearness = _standard(cosines, *self.vectors().spread(query))
        return Candidates(
            tuple(self.entries[place] for place in places),
            self._kinds[numbers],
            tuple(replace(hit, entry=order[hit.entry]) for hit in hits),
            self.lexical.scores(words, numbers),
            nearness,
        )


def _standard(cosines: Scores, mean: float, deviation: float) -> Scores:
    return np.asarray((cosines - mean) / max(deviation, 1e-6), dtype=np.float32)
