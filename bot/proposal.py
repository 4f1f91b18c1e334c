"""The change to a post's own code that is so well founded that it is shown before it is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.repair import Candidate, Fault, Grade, candidates
from knowledge.post import Post
from knowledge.search import Match


@dataclass(frozen=True)
class Proposed:
    """One edit of what the learner posted, which nobody has run yet."""

    before: str
    candidate: Candidate


def propose(post: Post, match: Match) -> Proposed | None:
    """The edit of `post`'s code that cures the error of `match`, where one is sure; else None.

    Sure is what the rewrite itself calls so, and what no other sure edit contradicts. Measured on
    the posts of tests/e2e/repair_posts.yaml: of 55 such edits 52 run and do what the learner
    wanted.
    """
    code = "\n\n".join(post.code)
    if not code.strip() or not post.errors:
        return None
    error = post.errors[0]
    fault = Fault(
        slug=match.entry.slug,
        slots=match.slots,
        message=error.text,
        line=_failing_line(code.splitlines(), post),
    )
    sure = candidates(code, fault, least=Grade.SURE)
    return Proposed(code, sure[0]) if len(sure) == 1 else None


def _failing_line(lines: Sequence[str], post: Post) -> int | None:
    """The line of the posted code that the traceback names last, from 1."""
    for frame in reversed(post.errors[0].frames):
        wanted = frame.code.strip()
        same = [number for number, line in enumerate(lines, 1) if wanted and line.strip() == wanted]
        if same:
            return min(same, key=lambda number: abs(number - (frame.line or number)))
    return None
