"""Words in common: BM25 over titles, symptoms and messages of entries in all languages."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import bm25s
import numpy as np
import numpy.typing as npt

from knowledge.entry import Entry

# The library logs every step at DEBUG on a logger that it switches on itself.
logging.getLogger("bm25s").setLevel(logging.WARNING)

MAX_QUERY_TOKENS: Final = 600
"""How many different words of a query are looked up, counted from its beginning."""

_WORD = re.compile(
    r"[A-Za-z][A-Za-z0-9_]*|\d+(?:\.\d+)?|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaffー]+"
)
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

    Identifiers count whole and in their parts (`zero_grad`, `zero`, `grad`), Japanese and Chinese
    as pairs of characters, because they are written without spaces.
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        if word[0] > "\u3000":
            found.extend(word[i : i + 2] for i in range(max(1, len(word) - 1)))
            continue
        if word[0].isdigit():
            continue
        whole = word.lower().strip("_")
        parts = (
            [part.lower() for part in _CAMEL.findall(word)]
            if not word.islower() or "_" in word
            else []
        )
        if whole not in _STOP:
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
                return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem.rstrip("e")
        return word.rstrip("e")
    return word


def documents(entry: Entry) -> list[str]:
    """The texts by which `entry` is found: one of messages, one for each language."""
    messages = " ".join(signature.plain for signature in entry.signatures)
    texts = [f"{entry.slug.replace('-', ' ')} {messages}"]
    texts.extend(
        "\n".join((text.title, *text.symptoms, text.summary)) for text in entry.texts.values()
    )
    return texts


class LexicalIndex:
    """Scores entries by the words that they share with a query."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        owners: list[int] = []
        corpus: list[list[str]] = []
        for number, entry in enumerate(entries):
            for text in documents(entry):
                owners.append(number)
                corpus.append(tokens(text) or [entry.slug])
        self._owners = np.array(owners, dtype=np.int64)
        self._size = len(entries)
        held = Counter(word for words in corpus for word in set(words))
        # The weight that BM25 gives a word at its first occurrence in a text of mean length.
        self._rarity = {
            word: math.log(1 + (len(corpus) - count + 0.5) / (count + 0.5)) / 2.2
            for word, count in held.items()
        }
        self._rarest = max(self._rarity.values(), default=1.0)
        self._bm25 = bm25s.BM25(k1=1.2, b=0.75)
        if corpus:
            self._bm25.index(corpus, show_progress=False)

    def scores(self, text: str) -> npt.NDArray[np.float32]:
        """One score per entry, 0 where no word is shared; higher is nearer."""
        best = np.zeros(self._size, dtype=np.float32)
        known = self._known(tokens(text))
        if not known:
            return best
        scores = np.asarray(self._bm25.get_scores(known), dtype=np.float32)
        np.maximum.at(best, self._owners, scores)
        return best

    def ideal(self, text: str) -> float:
        """What a text would score that holds each known word of `text` once: an upper mark."""
        return float(sum(self._rarity[word] for word in self._known(tokens(text))))

    def familiarity(self, text: str) -> float:
        """The share (0 to 1) of the words of `text`, by weight, that any entry has."""
        words = list(dict.fromkeys(tokens(text)))[:MAX_QUERY_TOKENS]
        if not words:
            return 0.0
        known = sum(self._rarity.get(word, 0.0) for word in words)
        unknown = sum(self._rarest for word in words if word not in self._rarity)
        return known / max(known + unknown, 1e-9)

    def _known(self, words: Iterable[str]) -> list[str]:
        vocabulary = self._bm25.vocab_dict if self._size else {}
        counted = Counter(word for word in words if word in vocabulary)
        return list(counted)[:MAX_QUERY_TOKENS]
