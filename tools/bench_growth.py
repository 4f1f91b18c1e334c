"""How search grows with the library: ours, plain BM25 and a flat scan of vectors, in one run.

The entries are made up: words as often as the shipped entries have them, and identifiers of which
a larger library has more. Nobody waits for 800,000 texts to be encoded, so their vectors are made
up too (unit vectors scattered around one centre for every few entries), and no time of an encoder
is in the figures.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import psutil
from rich.console import Console
from rich.table import Table

from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Device, Entry, Kind, Proof, Text, load_entries
from knowledge.index import passages
from knowledge.language import Language
from knowledge.lexical import LexicalIndex
from knowledge.post import parse
from knowledge.search import Searcher
from knowledge.signature import Signature

SIZES = (200, 2_000, 20_000, 200_000)
DIMENSION = 384
SEED = 20
QUERIES = 40
"""Posts of each kind and size."""

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "or")]
_ENTRIES_OF_A_CENTRE = 8
_SCATTER = 0.9
"""Length of the random part of a vector, where its centre has length 1."""


@dataclass(frozen=True)
class Figure:
    """What one way of searching took with one size of library."""

    way: str
    ms: float
    mib: float
    found: float
    """The share of the posts whose entry came first."""


class MadeUpVectors(Encoder):
    """Hands out vectors that were made beforehand."""

    identity = "made-up"

    def __init__(self, vectors: Vectors) -> None:
        super().__init__("made-up")
        self.vectors = vectors
        self.asked = vectors[:1]

    def passages(self, texts: Sequence[str]) -> Vectors:
        """All vectors: those of the whole library are asked for at once."""
        if len(texts) != len(self.vectors):
            raise ValueError("two made texts are equal, so that vectors and texts do not fit")
        return self.vectors

    def queries(self, texts: Sequence[str]) -> Vectors:
        """The vector that belongs to the post now searched."""
        return self.asked


class Maker:
    """Makes entries and posts about them; the same ones in every run."""

    def __init__(self, size: int) -> None:
        self._random = random.Random(SEED)  # noqa: S311 -- no secret hangs on it
        shipped = [entry.texts[Language.EN] for entry in load_entries()]
        self._words = " ".join(" ".join((text.title, *text.symptoms)) for text in shipped).split()
        self._identifiers = [self._identifier() for _ in range(max(100, size // 2))]
        self.entries = tuple(self._entry(number) for number in range(size))

    def _identifier(self) -> str:
        parts = ("".join(self._random.choices(_SYLLABLES, k=3)) for _ in range(2))
        return "_".join(parts)

    def _some(self, count: int) -> str:
        return " ".join(self._random.choices(self._words, k=count))

    def _entry(self, number: int) -> Entry:
        name, other = self._random.choices(self._identifiers, k=2)
        signature = Signature(
            f"{name}: expected {self._plain(3)} {{wanted:d}} but {self._plain(2)} {{got:shape}}"
        )
        symptoms = (
            f"{self._some(6)} {name} {self._some(4)}",
            f"{self._some(5)} {other} {self._some(5)}",
        )
        title = f"{name} {self._some(5)} {number}"
        return Entry(
            slug=f"made-{number}",
            category="made",
            kind=self._random.choice((Kind.ERROR, Kind.SILENT)),
            device=Device.ANY,
            signatures=(signature,),
            texts={Language.EN: Text(title, symptoms, "", "", "")},
            see=(),
            docs=(),
            fails=None,
            works=None,
            proof=Proof(True, "", ""),
        )

    def _plain(self, count: int) -> str:
        return self._some(count).replace("{", "").replace("}", "")

    def message(self, entry: Entry) -> str:
        """A post with the error of `entry`."""
        said = entry.signatures[0].template
        said = said.replace("{wanted:d}", "64").replace("{got:shape}", "[3, 224, 224]")
        return (
            "Traceback (most recent call last):\n"
            '  File "train.py", line 31, in <module>\n    loss = step(batch)\n'
            f"RuntimeError: {said}"
        )

    def question(self, entry: Entry) -> str:
        """A post that tells a symptom of `entry` in another order, among other words."""
        words = self._random.choice(entry.texts[Language.EN].symptoms).split()
        self._random.shuffle(words)
        return f"{self._some(6)} {' '.join(words)} {self._some(6)} in my torch model?"


def made_vectors(entries: Sequence[Entry]) -> Vectors:
    """A unit vector for each passage of `entries`, those of neighbours near each other."""
    generator = np.random.default_rng(SEED)
    owners = np.array([passage.owner for passage in passages(entries)])
    centres = _scattered(generator, len(entries) // _ENTRIES_OF_A_CENTRE + 1)
    vectors = np.empty((len(owners), DIMENSION), dtype=np.float32)
    for start in range(0, len(owners), 50_000):
        part = slice(start, start + 50_000)
        near = centres[owners[part] // _ENTRIES_OF_A_CENTRE]
        mixed = near + _SCATTER * _scattered(generator, len(near))
        vectors[part] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return vectors


def _scattered(generator: np.random.Generator, count: int) -> Vectors:
    vectors = generator.standard_normal((count, DIMENSION), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass(frozen=True)
class Task:
    """A library and posts about some of its entries."""

    entries: tuple[Entry, ...]
    owners: npt.NDArray[np.int64]
    """The entry of each vector."""
    vectors: Vectors
    wanted: tuple[int, ...]
    """The entry that each post is about; the rest holds one item for each of these."""
    messages: tuple[str, ...]
    questions: tuple[str, ...]
    asked: Vectors

    @classmethod
    def of(cls, size: int) -> Task:
        """The task with `size` entries; the same one in every run."""
        maker = Maker(size)
        entries = maker.entries
        vectors = made_vectors(entries)
        owners = np.array([passage.owner for passage in passages(entries)])
        wanted = tuple(random.Random(SEED + 1).sample(range(size), QUERIES))  # noqa: S311
        noise = _scattered(np.random.default_rng(SEED + 2), QUERIES)
        asked = vectors[np.searchsorted(owners, wanted)] + _SCATTER * noise
        return cls(
            entries,
            owners,
            vectors,
            wanted,
            tuple(maker.message(entries[number]) for number in wanted),
            tuple(maker.question(entries[number]) for number in wanted),
            asked / np.linalg.norm(asked, axis=1, keepdims=True),
        )


def flat_scan(task: Task) -> list[Figure]:
    """Every vector compared with that of the question."""
    before = _mib()
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(task.vectors)
    held = _mib() - before
    faiss.omp_set_num_threads(1)

    def search(number: int) -> int:
        _, rows = index.search(task.asked[number][None], 10)
        return int(task.owners[rows[0, 0]])

    return [_figure("flat scan", held, search, task)]


def plain_bm25(task: Task) -> list[Figure]:
    """Every text scored by the words of the question."""
    before = _mib()
    index = LexicalIndex(task.entries)
    held = _mib() - before

    def search(number: int) -> int:
        return int(index.scores(task.questions[number]).argmax())

    return [_figure("plain BM25", held, search, task)]


def ours(task: Task) -> list[Figure]:
    """The whole search, from the text of a post to its matches."""
    before = _mib()
    encoder = MadeUpVectors(task.vectors)
    with tempfile.TemporaryDirectory() as folder:
        searcher = Searcher(task.entries, encoder=encoder, cache=Path(folder))
        searcher.load()
    held = _mib() - before

    def best(text: str) -> int:
        match = searcher.search(parse(text)).best
        return int(match.entry.slug.removeprefix("made-")) if match else -1

    def by_meaning(number: int) -> int:
        encoder.asked = task.asked[number][None]
        return best(task.questions[number])

    def by_message(number: int) -> int:
        return best(task.messages[number])

    return [
        _figure("ours, by message", held, by_message, task),
        _figure("ours, by meaning", held, by_meaning, task),
    ]


def measured(size: int) -> list[Figure]:
    """All ways of searching a library of `size` made entries."""
    task = Task.of(size)
    return [*flat_scan(task), *plain_bm25(task), *ours(task)]


def _figure(way: str, mib: float, search: Callable[[int], int], task: Task) -> Figure:
    for number in range(QUERIES):  # what is set up at the first time, such as templates
        search(number)
    taken, found = [], 0
    for number, wanted in enumerate(task.wanted):
        started = time.perf_counter()
        found += search(number) == wanted
        taken.append((time.perf_counter() - started) * 1000)
    return Figure(way, statistics.median(taken), mib, found / len(taken))


def _mib() -> float:
    """Memory of this process, without what was freed already."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 2**20


def growth(console: Console) -> None:
    """Print a table with all sizes, each measured in a process of its own."""
    table = Table(
        "way",
        *(f"{size:,} entries" for size in SIZES),
        title="search as the library grows: median ms of a post / MiB / found at first place",
        caption="made-up entries, 4 texts each; vectors made up around centres, nothing encoded; "
        "one thread at a time, parse included in ours",
    )
    columns: list[dict[str, Any]] = []
    for size in SIZES:
        run = subprocess.run(
            [sys.executable, __file__, "--size", str(size)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        columns.append({figure["way"]: figure for figure in json.loads(run.stdout)})
    for way in sorted(columns[0], reverse=True):
        cells = (
            f"{c[way]['ms']:.2f} / {c[way]['mib']:,.0f} / {c[way]['found']:.2f}" for c in columns
        )
        table.add_row(way, *cells)
    console.print(table)


def main() -> None:
    """Measure one size and print it as JSON, or all sizes as a table."""
    parser = argparse.ArgumentParser(description="Measure how search grows with the library.")
    parser.add_argument("--size", type=int, help="measure this size alone, print JSON")
    size = parser.parse_args().size
    if size is None:
        growth(Console())
    else:
        print(json.dumps([asdict(figure) for figure in measured(size)]))


if __name__ == "__main__":
    main()
