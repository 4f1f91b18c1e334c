"""Words in common: BM25 over titles, symptoms and messages of entries in all languages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import bm25s
import numpy as np
import numpy.typing as npt
from bm25s.tokenization import Tokenized

from knowledge.entry import Entry

# The library logs every step at DEBUG on a logger that it switches on itself.
logging.getLogger("bm25s").setLevel(logging.WARNING)

MAX_QUERY_TOKENS: Final = 600
"""How many different words of a query are looked up, counted from its beginning."""

LOOKED_UP: Final = 100_000
"""How many places of words are read at most to find candidates in a large library."""
_REPEATS: Final = 8
"""Texts fetched for each entry that is wanted: an entry has several, found by several words."""

Scores = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
"""Entries or texts by their places, ascending."""

_WORD = re.compile(
    r"[A-Za-z][A-Za-z0-9_]*|\d+(?:\.\d+)?|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaffー]+"
)
_CJK: Final = "\u3000"
"""Words that sort after this are Japanese or Chinese."""
_KATAKANA = re.compile(r"[\u30a0-\u30ff]{2,}")
_EMPTY_PAIR = re.compile(
    r"^(?:[\u3040-\u309f]+|[\u30a0-\u30ff]+)$|[をはのにでとも的了吗呢我就啊吧这那个]"
)
_PAIR_WEIGHT = 0.6
"""What a pair of characters counts beside a Latin word: a Japanese or Chinese sentence has many of
them, and the few Latin words in it are the technical terms."""
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STOP: Final = frozenset(
    """
    a an and are as at be been but by can could did do does for from get gets got had has have how
    i if in into is it its just like me my no not of on or so some that the their them then there
    these this to was we were what when which while why will with would you your
    self py line file most recent call last
    """.split()  # noqa: SIM905 -- a list of words reads better as words
)


def tokens(text: str) -> list[str]:
    """The searchable words of `text`, lower case.

    Identifiers count whole and in their parts (`zero_grad`, `zero`, `grad`). Japanese and Chinese,
    written without spaces, count as katakana words and as pairs of other characters; pairs of
    hiragana and pairs with a particle are left out, because they stand in every sentence.
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        if word[0] > _CJK:
            found.extend(_KATAKANA.findall(word))
            pairs = (word[i : i + 2] for i in range(max(1, len(word) - 1)))
            found.extend(pair for pair in pairs if not _EMPTY_PAIR.search(pair))
            continue
        if word[0].isdigit():
            continue
        whole = word.lower().strip("_")
        parts = (
            [part.lower() for part in _CAMEL.findall(word)]
            if not word.islower() or "_" in word
            else []
        )
        if whole and whole not in _STOP:
            found.append(_stem(whole))
        if len(parts) > 1:
            found.extend(_stem(part) for part in parts if part not in _STOP and len(part) > 1)
    return found


def _stem(word: str) -> str:
    """`word` without the commonest English endings, so that `shapes` finds `shape`."""
    if len(word) > 4 and word.isascii():
        for ending in ("ing", "ed", "es", "s"):
            if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
                stem = word[: -len(ending)]
                shorter = stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem.rstrip("e")
                return shorter or word
        return word.rstrip("e") or word
    return word


def _weight(word: str) -> float:
    return _PAIR_WEIGHT if word > _CJK else 1.0


def documents(entry: Entry) -> list[str]:
    """The texts by which `entry` is found: one of messages, one for each language."""
    messages = " ".join(signature.plain for signature in entry.signatures)
    texts = [f"{entry.slug.replace('-', ' ')} {messages}"]
    texts.extend(
        "\n".join((text.title, *text.symptoms, text.summary)) for text in entry.texts.values()
    )
    return texts


class LexicalIndex:
    """Scores entries by the words that they share with a query; `split` finds the words."""

    def __init__(
        self, entries: Sequence[Entry], split: Callable[[str], list[str]] = tokens
    ) -> None:
        self._split = split
        vocabulary: dict[str, int] = {}
        corpus: list[list[int]] = []
        starts = [0]
        for entry in entries:
            for text in documents(entry):
                words = split(text) or [entry.slug]
                corpus.append([vocabulary.setdefault(word, len(vocabulary)) for word in words])
            starts.append(len(corpus))
        self._starts = np.array(starts, dtype=np.int64)
        """Where the texts of each entry begin; those of one entry follow each other."""
        self._vocabulary = vocabulary
        # Before the library adds an empty word of its own to the vocabulary.
        weights = np.array([_weight(word) for word in vocabulary], dtype=np.float32)
        self._bm25 = bm25s.BM25(k1=1.2, b=0.75)
        held = np.zeros(0)
        if corpus:
            self._bm25.index(Tokenized(ids=corpus, vocab=vocabulary), show_progress=False)
            held = np.diff(self._bm25.scores["indptr"]).astype(np.float64)
        if corpus:
            self._bm25.scores["data"] *= np.repeat(weights, held.astype(np.int64))
        # The weight that BM25 gives a word at its first occurrence in a text of mean length.
        self._rarity = weights * np.log(1 + (len(corpus) - held + 0.5) / (held + 0.5)) / 2.2
        self._rarest = float(self._rarity.max(initial=0.0)) or 1.0

    def scores(self, text: str, entries: Numbers | None = None) -> Scores:
        """One score for each of `entries` (ascending places in the library), of all when None.

        It is 0 where no word is shared; higher is nearer.
        """
        known = self._known(self._split(text))
        size = len(self._starts) - 1 if entries is None else len(entries)
        if not known or not size:
            return np.zeros(size, dtype=np.float32)
        if entries is None:
            every = np.asarray(self._bm25.get_scores(known), dtype=np.float32)
            return np.maximum.reduceat(every, self._starts[:-1])
        counts = self._starts[entries + 1] - self._starts[entries]
        ends = np.cumsum(counts)
        texts = np.arange(ends[-1]) + np.repeat(self._starts[entries] - ends + counts, counts)
        sums = np.zeros(len(texts), dtype=np.float32)
        for word in known:
            holders, weights = self._postings(word)
            places = np.searchsorted(holders, texts).clip(max=len(holders) - 1)
            sums += np.where(holders[places] == texts, weights[places], 0)
        return np.maximum.reduceat(sums, ends - counts)

    def nearest(self, text: str, count: int) -> Numbers:
        """About `count` entries with the highest scores, ascending.

        Words are looked up from the rarest on until LOOKED_UP places were read, so that common
        words of a large library add to scores, but do not bring up entries by themselves.
        """
        known = np.array(self._known(self._split(text)), dtype=np.int64)
        sums = np.zeros(self._starts[-1], dtype=np.float32)
        seen: list[Numbers] = []
        read = 0
        for word in known[np.argsort(-self._rarity[known], kind="stable")]:
            holders, weights = self._postings(word)
            read += len(holders)
            if seen and read > LOOKED_UP:
                break
            sums[holders] += weights
            seen.append(holders)
        if not seen:
            return np.empty(0, dtype=np.int64)
        texts = np.concatenate(seen)
        wanted = min(len(texts), count * _REPEATS) - 1
        best = texts[np.argpartition(-sums[texts], wanted)[: wanted + 1]]
        ordered = best[np.argsort(-sums[best], kind="stable")]
        owners = np.searchsorted(self._starts, ordered, side="right") - 1
        return np.array(sorted(list(dict.fromkeys(owners.tolist()))[:count]), dtype=np.int64)

    def ideal(self, text: str) -> float:
        """What a text would score that holds each known word of `text` once: an upper mark."""
        return float(self._rarity[self._known(self._split(text))].sum())

    def familiarity(self, text: str) -> float:
        """The share (0 to 1) of the words of `text`, by weight, that any entry has."""
        words = list(dict.fromkeys(self._split(text)))[:MAX_QUERY_TOKENS]
        found = [self._vocabulary[word] for word in words if word in self._vocabulary]
        if not found:
            return 0.0
        known = float(self._rarity[found].sum())
        unknown = self._rarest * sum(_weight(w) for w in words if w not in self._vocabulary)
        return known / max(known + unknown, 1e-9)

    def _known(self, words: Iterable[str]) -> list[int]:
        """The numbers of those of `words` that entries have, each once, in order."""
        known = dict.fromkeys(word for word in words if word in self._vocabulary)
        return [self._vocabulary[word] for word in known][:MAX_QUERY_TOKENS]

    def _postings(self, word: int) -> tuple[Numbers, Scores]:
        """The texts that hold a word, ascending, and what it weighs in each."""
        scores = self._bm25.scores
        part = slice(scores["indptr"][word], scores["indptr"][word + 1])
        return scores["indices"][part], scores["data"][part]
