"""Entries are replaced under the threads that search them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from knowledge.encoder import Encoder, EncoderError, Vectors
from knowledge.entry import Device, Entry, Kind, Proof, Text
from knowledge.language import Language
from knowledge.post import parse
from knowledge.search import Searcher
from knowledge.signature import Signature


class Letters(Encoder):
    """Counts letters: a model that needs no loading. Fails while `broken`."""

    identity = "letters"
    broken = False

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        if self.broken:
            raise EncoderError("the model is gone")
        counts = [[text.lower().count(letter) + 1e-3 for letter in "abcdefghij"] for text in texts]
        vectors = np.array(counts, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def entry(slug: str) -> Entry:
    return Entry(
        slug=slug,
        category="test",
        kind=Kind.ERROR,
        device=Device.ANY,
        signatures=(Signature(f"the {slug} of {{rows:d}} rows is torn"),),
        texts={Language.EN: Text(f"torn {slug}", (f"my {slug} is in two parts",), "", "", "")},
        see=(),
        docs=(),
        fails=None,
        works=None,
        proof=Proof(True, "", ""),
    )


SMALL = tuple(entry(slug) for slug in ("bag", "cage"))
LARGE = (*SMALL, *(entry(f"{letter}-{n}") for letter in "abcdefgh" for n in range(5)))
MESSAGE = "RuntimeError: torch: the bag of 7 rows is torn"
QUESTION = "why is my bag in two parts when I train my torch model?"


def test_searches_go_on_while_entries_are_replaced(tmp_path: Path) -> None:
    searcher = Searcher(SMALL, encoder=Letters(), cache=tmp_path)
    searcher.load()
    done = threading.Event()

    def search() -> int:
        count = 0
        while not done.is_set() or not count:
            for text in (MESSAGE, QUESTION):
                best = searcher.search(parse(text)).best
                assert best is not None
                assert best.entry.slug == "bag"
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        searching = [pool.submit(search) for _ in range(4)]
        for number in range(60):
            searcher.replace(LARGE if number % 2 else SMALL)
        done.set()
        assert all(search.result() for search in searching)


def test_an_empty_library_can_be_filled_and_emptied(tmp_path: Path) -> None:
    searcher = Searcher((), encoder=Letters(), cache=tmp_path)
    assert searcher.search(parse(MESSAGE)).best is None

    searcher.replace(SMALL)
    best = searcher.search(parse(QUESTION)).best
    searcher.replace(())

    assert best is not None
    assert searcher.search(parse(QUESTION)).best is None
    assert searcher.by_slug == {}


def test_what_cannot_be_encoded_changes_nothing(tmp_path: Path) -> None:
    encoder = Letters()
    searcher = Searcher(SMALL, encoder=encoder, cache=tmp_path)
    searcher.load()
    encoder.broken = True
    try:
        searcher.replace(LARGE)
        raised = False
    except EncoderError:
        raised = True

    assert raised
    assert searcher.entries == SMALL
