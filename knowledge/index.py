"""The vectors of all entries in a FAISS index, chosen by size and brought up to date piecemeal.

A library of up to EXHAUSTIVE entries is compared with a query text by text (a flat index). A larger
one is parted into cells by k-means and only the cells near a query are looked into (an inverted
file with vectors of one byte a number), so that the time grows more slowly than the size.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Entry
from knowledge.index_file import DIGEST, Digests, Store, Stored, default_cache, digest

EXHAUSTIVE: Final = 2_000
"""So many entries are all weighed for every post; of more, only those that come near."""

_PROBES = 3
"""So many times the square root of the number of cells is how many of them are looked into;
tests/knowledge/test_growth.py checks what that finds."""
_TRAINED = 40
"""Vectors for each cell that k-means sees; FAISS advises 39 or more."""
_PER_ENTRY = 4
"""How many passages are fetched for each entry that is wanted: several are of one entry."""
_SAMPLED = 512
"""Entries that stand for all of a large library when the usual nearness is measured."""
_DEAD = 0.2
"""The share of vectors without an entry from which on a large index is built anew."""

_log = logging.getLogger(__name__)

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
"""Entries by their places in the library, ascending."""


@dataclass(frozen=True)
class Passage:
    """One text by which an entry can be found; `owner` is the entry's place in the library."""

    owner: int
    text: str


def passages(entries: Sequence[Entry]) -> tuple[Passage, ...]:
    """Every title, symptom and message of `entries`."""
    found: list[Passage] = []
    for owner, entry in enumerate(entries):
        texts = dict.fromkeys(signature.plain for signature in entry.signatures)
        for text in entry.texts.values():
            texts.update(dict.fromkeys((text.title, *text.symptoms)))
        found.extend(Passage(owner, text) for text in texts if text.strip())
    return tuple(found)


class VectorIndex:
    """Cosine similarity of a query to each entry: that of the entry's nearest passage.

    An instance never changes, so that threads can search it while its successor is made.
    """

    def __init__(self, stored: Stored, rows: Numbers, owners: Numbers, size: int) -> None:
        """`rows` and `owners` name the row and the entry of each passage; owners ascend.

        `size` is the number of entries. Passages with the same text share a row.
        """
        self._stored = stored
        self._index = stored.index
        self._rows = rows
        self._owners = owners
        self._starts = np.searchsorted(owners, np.arange(size + 1))
        self._by_row = np.argsort(rows, kind="stable")
        self._row_starts = np.searchsorted(rows[self._by_row], np.arange(self._index.ntotal + 1))
        self._flat = None if _is_parted(self._index) else _all_vectors(self._index)
        self._sample: tuple[Vectors, Numbers] | None = None
        if _is_parted(self._index):
            sampled = np.unique(np.linspace(0, size - 1, _SAMPLED).astype(np.int64))
            self._sample = self._passages_of(sampled)

    def similarities(self, queries: Vectors, entries: Numbers | None = None) -> Scores:
        """One cosine (-1 to 1) for each of `entries`, of all when None.

        It is the best over all `queries` and all passages of an entry.
        """
        size = len(self._starts) - 1
        if entries is None and self._flat is not None:
            return _best(_cosines(queries, self._flat)[self._rows], self._owners, size)
        chosen = np.arange(size) if entries is None else entries
        vectors, owned = self._passages_of(chosen)
        return _best(_cosines(queries, vectors), owned, len(chosen))

    def nearest(self, queries: Vectors, count: int) -> Numbers:
        """The `count` entries that come nearest; of a large library, nearly always those."""
        wanted = min(count * _PER_ENTRY, self._index.ntotal)
        if not len(queries) or not wanted:
            return np.empty(0, dtype=np.int64)
        _use_threads(1)
        cosines, rows = self._index.search(queries, wanted)
        ordered = rows.ravel()[np.argsort(-cosines.ravel(), kind="stable")]
        ordered = ordered[ordered >= 0]
        places, _ = _ranges(self._row_starts, ordered)
        distinct = list(dict.fromkeys(self._owners[self._by_row[places]].tolist()))
        return np.array(sorted(distinct[:count]), dtype=np.int64)

    def spread(self, queries: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of all similarities, measured on some of a large library."""
        if self._sample is None:
            usual = self.similarities(queries)
        else:
            vectors, owned = self._sample
            usual = _best(_cosines(queries, vectors), owned, int(owned[-1]) + 1)
        return (float(usual.mean()), float(usual.std())) if len(usual) else (0.0, 0.0)

    def _passages_of(self, entries: Numbers) -> tuple[Vectors, Numbers]:
        """The vectors of all passages of `entries`, and for each its place in `entries`."""
        places, owned = _ranges(self._starts, entries)
        rows = self._rows[places]
        if self._flat is not None:
            return self._flat[rows], owned
        _use_threads(1)
        return self._index.reconstruct_batch(rows), owned

    @classmethod
    def open(
        cls,
        entries: Sequence[Entry],
        encoder: Encoder,
        cache: Path | None = None,
        *,
        exhaustive: int = EXHAUSTIVE,
        previous: VectorIndex | None = None,
    ) -> VectorIndex:
        """The index of `entries`: read from `cache` where it is there and sound, else built.

        Only texts are encoded that neither `previous` nor an earlier index of the same model in the
        cache holds. A file that is damaged or foreign is logged and replaced; a cache that cannot
        be written is logged. Raises EncoderError when the model cannot be loaded.
        """
        found = passages(entries)
        texts = {digest(passage.text): passage.text for passage in found}
        digests = np.array(list(texts), dtype=DIGEST)
        store = Store(cache or default_cache(), encoder.identity)
        known = previous._stored if previous is not None else store.read(digests)
        stored = _updated(known, texts, digests, encoder, parted=len(entries) > exhaustive)
        if known is None or not np.array_equal(known.digests, digests):
            store.write(digests, stored)
        every = np.array([digest(passage.text) for passage in found], dtype=DIGEST)
        owners = np.array([passage.owner for passage in found], dtype=np.int64)
        return cls(stored, _rows_of(stored.digests, every), owners, len(entries))


def _updated(
    known: Stored | None,
    texts: Mapping[bytes, str],
    digests: Digests,
    encoder: Encoder,
    *,
    parted: bool,
) -> Stored:
    """An index that holds `texts`, with as much as possible taken from `known`."""
    import faiss

    held = known.digests if known is not None else digests[:0]
    rows = _rows_of(held, digests)
    missing = digests[rows < 0]
    _log.info("Updating the search index: %d of %d texts are new.", len(missing), len(digests))
    fresh = encoder.passages([texts[new] for new in missing.tolist()]) if len(missing) else None
    useful = known is not None and np.count_nonzero(rows >= 0) >= len(held) * (1 - _DEAD)
    if known is not None and useful and _is_parted(known.index) == parted:
        if fresh is None:
            return known
        index = faiss.clone_index(known.index)
        index.add(fresh)
        return Stored(index, np.concatenate((held, missing)))
    # Of a parted index that becomes flat this gives back the vectors as they were rounded, to some
    # ten-thousandths of a cosine: not worth encoding thousands of texts again.
    kept = known.index.reconstruct_batch(rows[rows >= 0]) if known is not None else None
    dimension = next((len(v[0]) for v in (fresh, kept) if v is not None and len(v)), 1)
    vectors = np.empty((len(digests), dimension), dtype=np.float32)
    if kept is not None and len(kept):
        vectors[rows >= 0] = kept
    if fresh is not None:
        vectors[rows < 0] = fresh
    return Stored(_parted(vectors) if parted else _flat(vectors), digests)


def _flat(vectors: Vectors) -> Any:
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


def _parted(vectors: Vectors) -> Any:
    """An inverted file with about as many cells as a cell has vectors."""
    import faiss

    _use_threads(os.cpu_count() or 1)
    count, dimension = vectors.shape
    cells = max(1, min(math.isqrt(count), count // _TRAINED))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    step = max(1, count // (cells * _TRAINED))
    index.train(np.ascontiguousarray(vectors[::step]))
    index.add(vectors)
    index.nprobe = min(cells, math.ceil(_PROBES * math.sqrt(cells)))
    index.make_direct_map()  # what vectors are read back by
    return index


def _use_threads(count: int) -> None:
    """Let FAISS use so many threads for what this one asks it next.

    One for a query: on a machine that is busy (with sandboxes, say) several wait for each other
    and take many times longer than one. All for building, which is rare.
    """
    import faiss

    faiss.omp_set_num_threads(count)


def _all_vectors(index: Any) -> Vectors:
    """The vectors of a flat index, not copied; they live as long as it does."""
    import faiss

    count, dimension = int(index.ntotal), int(index.d)
    if not count:
        return np.empty((0, dimension), dtype=np.float32)
    vectors: Vectors = faiss.rev_swig_ptr(index.get_xb(), count * dimension)
    return vectors.reshape(count, dimension)


def _is_parted(index: Any) -> bool:
    return hasattr(index, "nprobe")


def _rows_of(held: Digests, wanted: Digests) -> Numbers:
    """The place in `held` of each of `wanted`; -1 where it is not there."""
    if not len(held):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(held)
    places = order[np.searchsorted(held, wanted, sorter=order).clip(max=len(held) - 1)]
    return np.where(held[places] == wanted, places, -1)


def _ranges(starts: Numbers, groups: Numbers) -> tuple[Numbers, Numbers]:
    """The members of `groups`, where group g is starts[g]..starts[g + 1], and whose each is."""
    counts = starts[groups + 1] - starts[groups]
    owned = np.repeat(np.arange(len(groups)), counts)
    within = np.arange(len(owned)) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[groups][owned] + within, owned


def _cosines(queries: Vectors, vectors: Vectors) -> Scores:
    if not len(queries) or not len(vectors):
        return np.full(len(vectors), -1.0, dtype=np.float32)
    # Not a matrix product: BLAS would part it between threads (see `_use_threads`).
    cosines = np.vecdot(queries[:, None], vectors[None])
    return np.asarray(cosines.max(axis=0), dtype=np.float32)


def _best(cosines: Scores, owners: Numbers, size: int) -> Scores:
    best = np.full(size, -1.0, dtype=np.float32)
    np.maximum.at(best, owners, cosines)
    return best
