"""From a post to ranked entries, or to an honest "I don't know"."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from knowledge.calibration import MEANING, SIGNATURE, THRESHOLD
from knowledge.context import Context, comments, is_general_wording, read_context
from knowledge.entry import Entry, Kind
from knowledge.lexical import LexicalIndex
from knowledge.matching import Hit, Matcher, Place
from knowledge.pitfalls import find_pitfalls
from knowledge.post import Post
from knowledge.signature import SlotValue

if TYPE_CHECKING:
    from knowledge.encoder import Encoder
    from knowledge.index import VectorIndex

MAX_MATCHES: Final = 10

_DENSE_WEIGHT = 1.0
_KIND_WEIGHT = 0.25
_HINT_WEIGHT = 0.5
_PITFALL_WEIGHT = 1.0
_QUERY_CHARS = 6_000
_DENSE_CHARS = 700

Scores = npt.NDArray[np.float32]


class Evidence(StrEnum):
    """What a match rests on, strongest first."""

    SIGNATURE = "signature"
    TEXT_SIGNATURE = "text-signature"
    MEANING = "meaning"


@dataclass(frozen=True)
class Match:
    """An entry that may explain a post; `confidence` is the probability (0 to 1) that it does."""

    entry: Entry
    confidence: float
    slots: Mapping[str, SlotValue]
    evidence: Evidence


@dataclass(frozen=True)
class Ranking:
    """The matches of a post, best first, and whether the best is good enough to answer unasked."""

    matches: tuple[Match, ...]
    answered: bool

    @property
    def best(self) -> Match | None:
        """The first match, if there is any."""
        return self.matches[0] if self.matches else None


@dataclass(frozen=True)
class Findings:
    """All that a search knows about a post before it decides; arrays hold one number per entry."""

    context: Context
    hits: tuple[Hit, ...]
    pitfalls: frozenset[str]
    lexical: Scores
    ideal: float
    """What an entry would score lexically that had every word of the post."""
    familiarity: float
    """How much of the post is in words that entries use, 0 to 1."""
    dense: Scores | None
    fused: Scores


class Searcher:
    """Ranks entries for posts.

    `encoder` is used only for posts that no signature decides (the bundled model by default),
    `cache` is where its index is kept (the user's cache directory by default); a post is answered
    when the confidence of its best match reaches `threshold`. Safe to use from several threads.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        encoder: Encoder | None = None,
        cache: Path | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        self._entries = tuple(entries)
        self._encoder = encoder
        self._cache = cache
        self._threshold = threshold
        self._matcher = Matcher(self._entries)
        self._lexical = LexicalIndex(self._entries)
        self._vectors: VectorIndex | None = None
        self._lock = threading.Lock()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that are searched."""
        return self._entries

    def search(self, post: Post) -> Ranking:
        """The entries that may explain `post`, at most ten.

        Raises EncoderError when a post needs the language model and it cannot be loaded.
        """
        if not self._entries or not post.text.strip():
            return Ranking((), False)
        findings = self.findings(post)
        confidence, evidence = self._judge(post, findings)
        matches = self._matches(findings, confidence, evidence)
        return Ranking(matches, bool(matches) and confidence >= self._threshold)

    def load(self) -> None:
        """Load the model and its index now rather than at the first post that needs them."""
        self._index()

    def findings(self, post: Post) -> Findings:
        """All that is known about `post`, before the decision."""
        hits = tuple(self._matcher.find(post))
        context = read_context(post)
        decided = bool(hits) and hits[0].place is not Place.WEAK
        words = _query(post)
        lexical = self._lexical.scores("\n".join((words, *post.code))[:_QUERY_CHARS])
        pitfalls: frozenset[str] = frozenset()
        dense = None
        if not decided:
            pitfalls = frozenset(pitfall.slug for pitfall in find_pitfalls(post.code))
            dense = self._index().similarities(self._queries(words))
        fused = self._fuse(post, lexical, dense, hits, pitfalls)
        return Findings(
            context,
            hits,
            pitfalls,
            lexical,
            self._lexical.ideal(words[:_QUERY_CHARS]),
            self._lexical.familiarity(words[:_QUERY_CHARS]),
            dense,
            fused,
        )

    def _fuse(
        self,
        post: Post,
        lexical: Scores,
        dense: Scores | None,
        hits: Sequence[Hit],
        pitfalls: frozenset[str],
    ) -> Scores:
        fused = lexical / max(float(lexical.max()), 1e-6)
        if dense is not None:
            fused = fused + _DENSE_WEIGHT * np.clip(_standard(dense) / 5.0, 0.0, 1.0)
        expected = _expected_kinds(post)
        fused = fused + _KIND_WEIGHT * np.array(
            [entry.kind in expected for entry in self._entries], dtype=np.float32
        )
        for hit in hits:
            fused[hit.entry] += _HINT_WEIGHT
        for number, entry in enumerate(self._entries):
            if entry.slug in pitfalls:
                fused[number] += _PITFALL_WEIGHT
        return np.asarray(fused, dtype=np.float32)

    def _judge(self, post: Post, findings: Findings) -> tuple[float, Evidence]:
        best = findings.hits[0] if findings.hits else None
        if best is not None and best.place is not Place.WEAK:
            evidence = Evidence.TEXT_SIGNATURE if best.place is Place.TEXT else Evidence.SIGNATURE
            return SIGNATURE.probability(signature_features(post, findings)), evidence
        features = meaning_features(post, findings, self._entries)
        return MEANING.probability(features), Evidence.MEANING

    def _matches(
        self, findings: Findings, confidence: float, evidence: Evidence
    ) -> tuple[Match, ...]:
        strong = [hit for hit in findings.hits if hit.place is not Place.WEAK]
        hits = {hit.entry: hit for hit in findings.hits}
        by_meaning = np.argsort(-findings.fused, kind="stable")
        order = dict.fromkeys([hit.entry for hit in strong] + [int(n) for n in by_meaning])
        top = float(findings.fused.max())
        matches: list[Match] = []
        for number in list(order)[:MAX_MATCHES]:
            hit = hits.get(number)
            if not matches:
                share, kind = 1.0, evidence
            elif hit is not None and hit.place is not Place.WEAK:
                share = 0.5
                kind = Evidence.TEXT_SIGNATURE if hit.place is Place.TEXT else Evidence.SIGNATURE
            else:
                share = 0.5 * max(0.0, float(findings.fused[number])) / max(top, 1e-6)
                kind = Evidence.MEANING
            slots = hit.slots if hit is not None else {}
            matches.append(Match(self._entries[number], confidence * share, slots, kind))
        return tuple(matches)

    def _queries(self, words: str) -> npt.NDArray[np.float32]:
        encoder = self._require_encoder()
        return encoder.queries([words[:_DENSE_CHARS] or "?"])

    def _require_encoder(self) -> Encoder:
        if self._encoder is None:
            from knowledge.encoder import Encoder

            self._encoder = Encoder()
        return self._encoder

    def _index(self) -> VectorIndex:
        with self._lock:
            if self._vectors is None:
                from knowledge.index import VectorIndex

                self._vectors = VectorIndex.open(
                    self._entries, self._require_encoder(), self._cache
                )
            return self._vectors


def signature_features(post: Post, findings: Findings) -> dict[str, float]:
    """The features of calibration.SIGNATURE; the best hit must not be a weak one."""
    best = findings.hits[0]
    error = "" if best.place is Place.TEXT else post.errors[best.order].text
    general = is_general_wording(f"{best.signature.plain}\n{error}")
    torch, foreign = findings.context.torch > 0, findings.context.foreign > 0
    return {
        "literal": min(best.strength, 60) / 60,
        "torch_context": float(torch),
        "general_only": float(general and not torch),
        "foreign_only": float(foreign and not torch),
        "elsewhere": float(best.place is Place.TEXT),
    }


def meaning_features(post: Post, findings: Findings, entries: Sequence[Entry]) -> dict[str, float]:
    """The features of calibration.MEANING, each between 0 and 1."""
    fused, context = findings.fused, findings.context
    order = np.argsort(-fused, kind="stable")
    best = int(order[0])
    margin = float(fused[best] - fused[order[1]]) / float(fused[best]) if len(order) > 1 else 1.0
    near = 0.0
    if findings.dense is not None:
        near = float(np.clip(_standard(findings.dense)[best] / 5.0, 0.0, 1.0))
    unknown = bool(post.errors)
    about = context.torch / 2 if unknown else max(context.torch / 2, context.learning / 3)
    return {
        "coverage": min(float(findings.lexical[best]) / max(findings.ideal, 1e-6), 1.0),
        "score": min(float(findings.lexical[best]) / 25.0, 1.0),
        "familiarity": findings.familiarity,
        "margin": min(margin, 0.5) * 2,
        "nearness": near,
        "about": min(about, 1.0),
        "off_topic": float(about == 0),
        "foreign": min(context.foreign, 2) / 2,
        "asking": float(context.asking > 0),
        "unknown_error": float(unknown),
        "pitfall": float(entries[best].slug in findings.pitfalls),
        "hint": float(context.torch > 0 and any(hit.entry == best for hit in findings.hits)),
    }


def _query(post: Post) -> str:
    """What the learner wrote, and what the errors say: the words to search for."""
    error = post.errors[0].text[:600] if post.errors else ""
    words = "\n".join(part for part in (error, post.prose, comments(post)) if part.strip())
    return words or post.text


def _expected_kinds(post: Post) -> tuple[Kind, ...]:
    if any(not (error.exception or "").endswith("Warning") for error in post.errors):
        return (Kind.ERROR,)
    if post.errors:
        return (Kind.WARNING, Kind.SILENT)
    return (Kind.SILENT, Kind.WARNING)


def _standard(values: Scores) -> Scores:
    """`values` in standard deviations from their mean: models differ in what is near."""
    deviation = float(values.std())
    return np.asarray((values - values.mean()) / max(deviation, 1e-6), dtype=np.float32)
