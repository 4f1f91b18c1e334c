"""A large library is searched in part, and hardly anything is missed by that."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bot.settings import Settings
from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Device, Entry, Kind, Proof, Text, load_entries
from knowledge.index import VectorIndex, passages
from knowledge.language import Language
from knowledge.lexical import LexicalIndex
from knowledge.matching import Matcher
from knowledge.post import parse
from knowledge.search import Searcher
from knowledge.signature import Signature

QUESTIONS = [
    json.loads(line)["text"]
    for line in Path(__file__).with_name("questions.jsonl").read_text("utf-8").splitlines()
]
DIMENSION = 96
SIZE = 3_000
WORDS = [a + b + c + "o" * n for n in range(5) for a in "bdgkl" for b in "aei" for c in "mnprst"]
COMMON = [1 / rank for rank in range(5, len(WORDS) + 5)]
"""As in any language, the second word is half as common as the first."""


class Scattered(Encoder):
    """A model in which texts are near that share words; it needs no loading."""

    identity = "scattered"

    def __init__(self) -> None:
        super().__init__("scattered")
        self.encoded = 0

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        self.encoded += len(texts)
        vectors = np.array([sum(map(_scatter, text.split())) for text in texts], dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _scatter(word: str) -> Vectors:
    seed = int.from_bytes(word.encode()[:16], "big") % 2**32
    return np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)


def made(size: int) -> tuple[Entry, ...]:
    """Entries of common words, each with a name of its own now and then."""
    chance = random.Random(5)

    def some(count: int) -> str:
        return " ".join(chance.choices(WORDS, COMMON, k=count))

    return tuple(
        Entry(
            slug=f"made-{number}",
            category="made",
            kind=chance.choice((Kind.ERROR, Kind.SILENT)),
            device=Device.ANY,
            signatures=(Signature(f"{some(2)} {{n:d}} {some(2)} x{number}y {some(1)}"),),
            texts={Language.EN: Text(some(4), (some(8), some(8)), "", "", "")},
            see=(),
            docs=(),
            fails=None,
            works=None,
            proof=Proof(True, "", ""),
        )
        for number in range(size)
    )


@pytest.fixture(scope="module")
def entries() -> tuple[Entry, ...]:
    return made(SIZE)


@pytest.fixture(scope="module")
def questions(entries: tuple[Entry, ...]) -> dict[str, str]:
    """By slug, a symptom in another order with one word left out and another added."""
    chance = random.Random(6)
    asked = {}
    for entry in chance.sample(entries, 60):
        words = entry.texts[Language.EN].symptoms[0].split()
        chance.shuffle(words)
        asked[entry.slug] = " ".join([*words[1:], chance.choice(WORDS)])
    return asked


def test_a_parted_index_finds_what_a_flat_one_finds(
    tmp_path: Path, entries: tuple[Entry, ...], questions: dict[str, str]
) -> None:
    encoder = Scattered()
    flat = VectorIndex.open(entries, encoder, tmp_path, exhaustive=SIZE)
    parted = VectorIndex.open(entries, encoder, tmp_path, exhaustive=0)

    recalled = []
    for question in questions.values():
        query = encoder.queries([question])
        best = np.argsort(-flat.similarities(query), kind="stable")[:10]
        recalled.append(np.isin(best, parted.nearest(query, 64)).mean())

    # Random words have no clusters, so cells divide neighbours here more often than real texts do.
    assert np.mean(recalled) > 0.9


def test_a_parted_index_knows_the_cosines_of_candidates(
    tmp_path: Path, entries: tuple[Entry, ...], questions: dict[str, str]
) -> None:
    encoder = Scattered()
    flat = VectorIndex.open(entries, encoder, tmp_path, exhaustive=SIZE)
    parted = VectorIndex.open(entries, encoder, tmp_path, exhaustive=0)
    some = np.arange(0, SIZE, 7)

    for question in questions.values():
        query = encoder.queries([question])
        exact = flat.similarities(query)
        np.testing.assert_allclose(parted.similarities(query, some), exact[some], atol=0.03)
        np.testing.assert_allclose(flat.similarities(query, some), exact[some], atol=1e-6)
        assert parted.spread(query) == pytest.approx(flat.spread(query), abs=0.03)


def test_a_parted_index_is_kept_and_grows_without_encoding_again(
    tmp_path: Path, entries: tuple[Entry, ...]
) -> None:
    encoder = Scattered()
    VectorIndex.open(entries[:-5], encoder, tmp_path, exhaustive=0)
    again = Scattered()
    kept = VectorIndex.open(entries[:-5], again, tmp_path, exhaustive=0)
    assert again.encoded == 0

    grown = VectorIndex.open(entries[3:], again, tmp_path, exhaustive=0, previous=kept)

    assert again.encoded == len(passages(entries[-5:]))
    for place, entry in ((0, entries[3]), (SIZE - 4, entries[-1])):
        query = again.queries([entry.texts[Language.EN].title])
        assert place in grown.nearest(query, 3)
        assert grown.similarities(query, np.array([place]))[0] > 0.95


def test_an_index_that_outgrows_its_kind_is_built_anew_without_encoding(
    tmp_path: Path, entries: tuple[Entry, ...]
) -> None:
    flat = VectorIndex.open(entries[:200], Scattered(), tmp_path, exhaustive=SIZE)
    encoder = Scattered()
    parted = VectorIndex.open(entries[:200], encoder, tmp_path, exhaustive=0, previous=flat)
    back = VectorIndex.open(entries[:200], encoder, tmp_path, exhaustive=SIZE, previous=parted)

    assert encoder.encoded == 0
    query = encoder.queries([entries[9].texts[Language.EN].title])
    assert 9 in parted.nearest(query, 3)
    assert back.similarities(query).argmax() == 9


def test_words_are_looked_up_in_part_and_scored_in_full(
    entries: tuple[Entry, ...], questions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = LexicalIndex(entries)
    monkeypatch.setattr("knowledge.lexical.LOOKED_UP", 1_000)
    recalled = []
    for question in questions.values():
        every = index.scores(question)
        near = index.nearest(question, 64)
        recalled.append(int(every.argmax()) in near)
        np.testing.assert_array_equal(index.scores(question, near), every[near])

    assert np.mean(recalled) > 0.95


def test_a_large_library_answers_as_an_exhaustive_search_does(
    tmp_path: Path, entries: tuple[Entry, ...], questions: dict[str, str]
) -> None:
    whole = Searcher(entries, encoder=Scattered(), cache=tmp_path, exhaustive=SIZE)
    part = Searcher(entries, encoder=Scattered(), cache=tmp_path, exhaustive=0)
    firsts, threes = [], []
    for question in questions.values():
        rankings = [searcher.search(parse(question)).matches for searcher in (whole, part)]
        one, other = ([match.entry.slug for match in matches[:3]] for matches in rankings)
        firsts.append(one[0] == other[0])
        threes.append(one == other)

    assert np.mean(firsts) > 0.97
    assert np.mean(threes) > 0.9


def test_a_message_decides_in_a_large_library(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    searcher = Searcher(entries, encoder=Scattered(), cache=tmp_path, exhaustive=0)
    for entry in entries[::500]:
        message = entry.signatures[0].template.replace("{n:d}", "17")
        best = searcher.search(parse(f"RuntimeError: torch {message}")).best

        assert best is not None
        assert best.entry == entry
        assert best.slots == {"n": 17}


class Exhaustive(Matcher):
    """Tries every signature on every text."""

    def _possible(self, text: str) -> list[tuple[int, Signature]]:
        return list(self._signatures)


def test_no_signature_is_left_out_by_looking_for_its_rarest_piece() -> None:
    entries = load_entries()
    quick, slow = Matcher(entries), Exhaustive(entries)
    recorded = [entry.proof.recorded for entry in entries if entry.proof.recorded]
    plain = [entry.signatures[0].plain for entry in entries if entry.signatures][::3]
    curly = [text.replace("'", "\u2019").replace(" ", "\n  ") for text in plain]

    for text in (*recorded, *plain, *curly, "\n\n".join(recorded)):
        for post in (parse(text), parse(f"RuntimeError: {text}")):
            assert quick.find(post) == slow.find(post)


def test_the_shipped_entries_are_all_weighed_one_by_one(searcher: Searcher) -> None:
    """What the quick indexes say of each entry is what looking at each of its texts says."""
    entries = searcher.entries
    encoder = Encoder()
    vectors = VectorIndex.open(entries, encoder, Settings().cache)
    lexical = LexicalIndex(entries)
    texts = passages(entries)
    encoded = encoder.passages([passage.text for passage in texts[:150]])
    for question in QUESTIONS[::10]:
        assert searcher.findings(parse(question)).entries == entries
        query = encoder.queries([question])
        similarities = vectors.similarities(query)
        for owner in range(texts[149].owner):
            own = [row for row, passage in enumerate(texts[:150]) if passage.owner == owner]
            assert similarities[owner] == pytest.approx((encoded[own] @ query[0]).max(), abs=1e-4)
        alone = [lexical.scores(question, np.array([n]))[0] for n in range(len(entries))]
        np.testing.assert_array_equal(lexical.scores(question), alone)


def test_the_shipped_entries_would_be_ranked_alike_by_a_search_in_part(
    searcher: Searcher, tmp_path: Path
) -> None:
    for path in Settings().cache.glob("*.index"):
        shutil.copy2(path, tmp_path)  # a parted index must not get into the cache itself
    part = Searcher(searcher.entries, cache=tmp_path, exhaustive=0)
    same = []
    for question in QUESTIONS:
        one, other = searcher.search(parse(question)).best, part.search(parse(question)).best
        assert one is not None
        assert other is not None
        same.append(one.entry.slug == other.entry.slug)

    assert np.mean(same) > 0.97
