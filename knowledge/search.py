"""From a post to ranked entries, or to an honest "I don't know"."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from knowledge.calibration import MEANING, SIGNATURE, THRESHOLD
from knowledge.catalogue import Candidates, Catalogue
from knowledge.context import Context, comments, is_general_wording, read_context
from knowledge.encoder import Encoder, Vectors
from knowledge.entry import Entry, Kind
from knowledge.index import EXHAUSTIVE
from knowledge.language import Language
from knowledge.matching import Hit, Place
from knowledge.pitfalls import find_pitfalls
from knowledge.post import Post
from knowledge.signature import SlotValue

MAX_MATCHES: Final = 10

DENSE_WEIGHT: Final = 1.0
"""How much the meaning counts beside the words."""
_KIND_WEIGHT = 0.25
_HINT_WEIGHT = 0.5
_PITFALL_WEIGHT = 1.0
_GUESS_WEIGHT = 0.3
_FULL_SCORE = 25.0
"""More words in common than this say no more."""
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
    """All that a search knows about a post before it decides.

    `entries` are those that were weighed: all of a small library, the nearest of a large one.
    Arrays hold one number for each of them, and a hit's `entry` is a place among them.
    """

    context: Context
    entries: tuple[Entry, ...]
    hits: tuple[Hit, ...]
    pitfalls: Mapping[str, bool]
    """The entries whose pitfall the code shows, and whether that is sure."""
    lexical: Scores
    ideal: float
    """What an entry would score lexically that had every word of the post."""
    familiarity: float
    """How much of the post is in words that entries use, 0 to 1."""
    nearness: Scores | None
    """How near the meaning is, in standard deviations from the library's mean."""
    fused: Scores


class Searcher:
    """Ranks entries for posts.

    `encoder` is used only for posts that no signature decides (the bundled model by default),
    `cache` is where its index is kept (the user's cache directory by default); a post is answered
    when the confidence of its best match reaches `threshold`. Of more than `exhaustive` entries
    only those are weighed that come near. Safe to use from several threads, also while the entries
    are replaced.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        encoder: Encoder | None = None,
        cache: Path | None = None,
        threshold: float = THRESHOLD,
        exhaustive: int = EXHAUSTIVE,
    ) -> None:
        self._encoder = encoder or Encoder()
        self._cache = cache
        self._threshold = threshold
        self._exhaustive = exhaustive
        self._replacing = threading.Lock()
        self._catalogue = self._catalogued(entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that are searched."""
        return self._catalogue.entries

    @property
    def by_slug(self) -> Mapping[str, Entry]:
        """The entries that are searched, by their names."""
        return self._catalogue.by_slug

    def replace(self, entries: Sequence[Entry]) -> None:
        """Search `entries` from now on; whatever is being searched ends with the old ones.

        Only texts that are new are encoded, before the change, and only where the model is in use
        already. Raises EncoderError, and then the old entries stay.
        """
        with self._replacing:
            successor = self._catalogued(entries, self._catalogue)
            if self._catalogue.has_vectors:
                successor.vectors()
            self._catalogue = successor

    def _catalogued(self, entries: Sequence[Entry], previous: Catalogue | None = None) -> Catalogue:
        return Catalogue(
            entries, self._encoder, self._cache, exhaustive=self._exhaustive, previous=previous
        )

    def search(self, post: Post) -> Ranking:
        """The entries that may explain `post`, at most ten.

        Raises EncoderError when a post needs the language model and it cannot be loaded.
        """
        catalogue = self._catalogue
        if not catalogue.entries or not post.text.strip():
            return Ranking((), False)
        findings = find(post, catalogue)
        confidence, evidence = self._judge(post, findings)
        matches = self._matches(findings, confidence, evidence)
        return Ranking(matches, bool(matches) and confidence >= self._threshold)

    def beside(self, entry: Entry) -> Searcher:
        """A search that has `entry` too, in the place of one with its slug; this one is as before.

        Only texts that are new are encoded. Raises EncoderError.
        """
        entries = {one.slug: one for one in self.entries} | {entry.slug: entry}
        ordered = [entries[slug] for slug in sorted(entries)]
        other = copy(self)
        other._replacing = threading.Lock()
        other._catalogue = self._catalogued(ordered, self._catalogue)
        return other

    def meanings(self, texts: Sequence[str]) -> Vectors:
        """What texts mean, as vectors. Raises EncoderError when the model cannot be loaded."""
        return self._encoder.queries(texts)

    def load(self) -> None:
        """Load the model and its index now rather than at the first post that needs them."""
        self._catalogue.vectors()
        self._encoder.queries(["?"])  # the first text takes longer: libraries set themselves up

    def findings(self, post: Post) -> Findings:
        """All that is known about `post`, before the decision."""
        return find(post, self._catalogue)

    def _judge(self, post: Post, findings: Findings) -> tuple[float, Evidence]:
        best = findings.hits[0] if findings.hits else None
        if best is not None and best.place is not Place.WEAK:
            evidence = Evidence.TEXT_SIGNATURE if best.place is Place.TEXT else Evidence.SIGNATURE
            return SIGNATURE.probability(signature_features(post, findings)), evidence
        features = meaning_features(post, findings)
        return MEANING.probability(features), Evidence.MEANING

    def _matches(
        self, findings: Findings, confidence: float, evidence: Evidence
    ) -> tuple[Match, ...]:
        strong = [hit for hit in findings.hits if hit.place is not Place.WEAK]
        hits = {hit.entry: hit for hit in findings.hits}
        by_meaning = np.argsort(-findings.fused, kind="stable")[:MAX_MATCHES].tolist()
        order = dict.fromkeys([hit.entry for hit in strong] + by_meaning)
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
            matches.append(Match(findings.entries[number], confidence * share, slots, kind))
        return tuple(matches)


def find(post: Post, catalogue: Catalogue) -> Findings:
    """All that `catalogue` tells about `post`. Raises EncoderError."""
    hits = catalogue.matcher.find(post)
    context = read_context(post)
    decided = bool(hits) and hits[0].place is not Place.WEAK
    words = _query(post)
    pitfalls: dict[str, bool] = {}
    if not decided:
        pitfalls = {pitfall.slug: pitfall.sure for pitfall in find_pitfalls(post.code)}
    candidates = catalogue.weigh(
        hits,
        "\n".join((words, *post.code))[:_QUERY_CHARS],
        None if decided else words[:_DENSE_CHARS] or "?",
        pitfalls,
    )
    return Findings(
        context,
        candidates.entries,
        candidates.hits,
        pitfalls,
        candidates.lexical,
        catalogue.lexical.ideal(words[:_QUERY_CHARS]),
        catalogue.lexical.familiarity(words[:_QUERY_CHARS]),
        candidates.nearness,
        _fuse(post, context, candidates, pitfalls),
    )


def closeness(nearness: Scores) -> Scores:
    """`nearness` from 0 (as far as the mean of the library) to 1 (five standard deviations)."""
    return np.asarray(np.clip(nearness / 5.0, 0.0, 1.0), dtype=np.float32)


def _fuse(
    post: Post, context: Context, candidates: Candidates, pitfalls: Mapping[str, bool]
) -> Scores:
    fused = candidates.lexical / max(float(candidates.lexical.max()), 1e-6)
    if candidates.nearness is not None:
        fused = fused + DENSE_WEIGHT * closeness(candidates.nearness)
    fused = fused + np.float32(_KIND_WEIGHT) * np.isin(
        candidates.kinds, _expected_kinds(post, context)
    )
    for hit in candidates.hits:
        fused[hit.entry] += _HINT_WEIGHT
    for number, entry in enumerate(candidates.entries if pitfalls else ()):
        if entry.slug in pitfalls:
            fused[number] += _PITFALL_WEIGHT if pitfalls[entry.slug] else _GUESS_WEIGHT
    return np.asarray(fused, dtype=np.float32)


def signature_features(post: Post, findings: Findings) -> dict[str, float]:
    """The features of calibration.SIGNATURE; the best hit must not be a weak one."""
    best = findings.hits[0]
    error = "" if best.place is Place.TEXT else post.errors[best.order].text
    specific = best.signature.frames or best.signature.also
    general = not specific and is_general_wording(f"{best.signature.plain}\n{error}")
    torch, foreign = findings.context.torch > 0, findings.context.foreign > 0
    return {
        "literal": min(best.strength, 60) / 60,
        "torch_context": float(torch),
        "general_only": float(general and not torch),
        "general_frames": float(general and not torch and any(e.frames for e in post.errors)),
        "foreign_only": float(foreign and not torch),
        "elsewhere": float(best.place is Place.TEXT),
        "settled": float(best.place is Place.TEXT and _is_settled(findings.context)),
    }


def meaning_features(post: Post, findings: Findings) -> dict[str, float]:
    """The features of calibration.MEANING, each between 0 and 1."""
    fused, context = findings.fused, findings.context
    order = np.argsort(-fused, kind="stable")
    best = int(order[0])
    margin = float(fused[best] - fused[order[1]]) / float(fused[best]) if len(order) > 1 else 1.0
    near = 0.0
    if findings.nearness is not None:
        near = float(closeness(findings.nearness)[best])
    # Pairs of characters weigh less than words.
    full = _FULL_SCORE if post.language is Language.EN else 0.7 * _FULL_SCORE
    unknown = bool(post.errors)
    about = context.torch / 2 if unknown else max(context.torch / 2, context.learning / 3)
    return {
        "coverage": min(float(findings.lexical[best]) / max(findings.ideal, 1e-6), 1.0),
        "score": min(float(findings.lexical[best]) / full, 1.0),
        "familiarity": findings.familiarity,
        "margin": min(margin, 0.5) * 2,
        "nearness": near,
        "about": min(about, 1.0),
        "off_topic": float(about == 0),
        "foreign": min(context.foreign, 2) / (4 if context.torch else 2),
        "asking": float(context.asking > 0),
        "trouble": min(context.trouble, 2) / 2,
        "settled": float(_is_settled(context)),
        "shown_code": float(bool(post.code) and not context.asking and not findings.pitfalls),
        "unknown_error": float(unknown),
        "pitfall": float(findings.pitfalls.get(findings.entries[best].slug, False)),
        "hint": float(context.torch > 0 and any(hit.entry == best for hit in findings.hits)),
    }


def _is_settled(context: Context) -> bool:
    """Whether somebody shows or announces something, and asks nothing."""
    return context.settled > 0 and context.asking == 0


def _query(post: Post) -> str:
    """What the learner wrote, and what the errors say: the words to search for."""
    error = post.errors[0].text[:600] if post.errors else ""
    words = "\n".join(part for part in (error, post.prose, comments(post)) if part.strip())
    return words or post.text


def _expected_kinds(post: Post, context: Context) -> tuple[Kind, ...]:
    if any(not (error.exception or "").endswith("Warning") for error in post.errors):
        return (Kind.ERROR,)
    if post.errors:
        return (Kind.WARNING, Kind.SILENT)
    if context.trouble == 0:  # somebody asks how a thing is done
        return (Kind.SILENT, Kind.WARNING, Kind.TIP)
    return (Kind.SILENT, Kind.WARNING)
