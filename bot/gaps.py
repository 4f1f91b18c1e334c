"""What nobody could answer, grouped: the same problem of several people is one line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.learned import Gap
from bot.tutor import Tutor
from knowledge.clusters import SAME_ERROR, SAME_QUESTION, clusters
from knowledge.explain import Explanation
from knowledge.language import Language
from knowledge.post import parse

_NUMBER = re.compile(r"\d+")
_LONGEST: Final = 400
"""Characters of a question that stand for all of it."""


@dataclass(frozen=True)
class Cluster:
    """Posts about one problem, the newest first."""

    gaps: tuple[Gap, ...]

    @property
    def example(self) -> Gap:
        """The newest post."""
        return self.gaps[0]

    @property
    def people(self) -> int:
        """How many people asked."""
        return len({gap.asker_id for gap in self.gaps})

    @property
    def remarks(self) -> tuple[str, ...]:
        """What it really was, in the words of those who say that an answer did not help."""
        return tuple(dict.fromkeys(remark for gap in self.gaps for remark in gap.remarks))


async def clustered(tutor: Tutor, gaps: Sequence[Gap]) -> tuple[Cluster, ...]:
    """The problems of these posts, the most frequent first. Raises EncoderError.

    Errors are compared with errors, by their messages without numbers, and questions with
    questions.
    """
    errors = [gap for gap in gaps if gap.error]
    questions = [gap for gap in gaps if not gap.error]
    found: list[Cluster] = []
    for some, threshold in ((errors, SAME_ERROR), (questions, SAME_QUESTION)):
        if some:
            vectors = await tutor.meanings([_words(gap) for gap in some])
            groups = await asyncio.to_thread(clusters, vectors, threshold)
            found += (Cluster(tuple(some[place] for place in group)) for group in groups)
    return tuple(sorted(found, key=lambda cluster: -len(cluster.gaps)))


async def nearest(tutor: Tutor, gap: Gap, language: Language) -> Explanation | None:
    """The explanation that comes nearest now."""
    candidates = (await tutor.answer(gap.text, language)).candidates
    return candidates[0] if candidates else None


async def answered_by(tutor: Tutor, gaps: Sequence[Gap], slug: str) -> tuple[int, ...]:
    """Which of the posts the entry with this slug answers now, by their sources."""
    answers = [(gap.source_id, await tutor.answer(gap.text)) for gap in gaps]
    return tuple(
        source for source, one in answers if one.explanation and one.explanation.slug == slug
    )


def _words(gap: Gap) -> str:
    if gap.error:
        return _NUMBER.sub("#", gap.error)
    return (parse(gap.text).prose or gap.text)[:_LONGEST]
