"""Looks for an edit under which a failing program runs, and runs each before it is believed."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.outcome import Failure, ended_well, missing_in, said_by
from bot.repair import Candidate, Fault, Grade, candidates
from knowledge.language import Language
from sandbox.protocol import Result, Scene, Status

if TYPE_CHECKING:
    from bot.tutor import Answer

STEPS: Final = 3
"""How many errors in a row one repair may remove: mending one often shows the next."""
TRIES: Final = 12
"""How many edits are run for one error."""
BRANCHES: Final = 2
"""How many edits that led on to another error are followed."""


@dataclass(frozen=True)
class Edit:
    """One rewrite of a repair: which, how sure, and the values for its sentence."""

    rewrite: str
    grade: Grade
    values: Mapping[str, str | int]


@dataclass(frozen=True)
class Repair:
    """Edits that were run together: the error is gone, and the line that failed still runs."""

    edits: tuple[Edit, ...]
    code: str
    result: Result

    @property
    def grade(self) -> Grade:
        """As sure as its least sure edit."""
        return max((edit.grade for edit in self.edits), key=list(Grade).index)


@dataclass(frozen=True)
class _Step:
    """A program on the way to a repair: how it got here, how it ended, which lines must run."""

    code: str
    result: Result
    edits: tuple[Edit, ...] = ()
    watched: tuple[int, ...] = ()
    failed_layer: str | None = None
    """Where in the model the program before the last edit failed."""


class Mender:
    """`answer` explains a text; `run` runs code and watches lines of it."""

    def __init__(
        self,
        answer: Callable[[str, Language | None], Awaitable[Answer]],
        run: Callable[[str, tuple[int, ...]], Awaitable[Result]],
    ) -> None:
        self._answer = answer
        self._run = run

    async def answer_to(self, result: Result, language: Language) -> Answer | None:
        """The explanation of what a run said about its own failure; None when it said nothing."""
        said = said_by(result)
        return await self._answer(said, language) if said else None

    async def repairs(self, code: str, result: Result, language: Language) -> list[Repair]:
        """Edits of `code`, whose run ended as `result`, under which it runs: the surest first.

        All of them take the same number of rewrites, the least that has one.
        """
        start = _Step(code, result)
        frontier = [start]
        for _ in range(STEPS):
            tries: list[tuple[_Step, Failure, Candidate]] = []
            for step in frontier:
                fault, failure = await self._fault(step, language)
                if fault is not None:
                    tries += [(step, failure, each) for each in candidates(step.code, fault)]
            ran = await asyncio.gather(*(self._try(*each) for each in tries[:TRIES]))
            good = [step for step, _ in ran if await self._holds(step, start, language)]
            if good:
                repairs = [Repair(step.edits, step.code, step.result) for step in good]
                return sorted(repairs, key=lambda repair: list(Grade).index(repair.grade))
            frontier = []
            for step, failure in ran:
                if await self._leads_on(step, failure, language):
                    frontier.append(step)
            frontier = frontier[:BRANCHES]
            if not frontier:
                break
        return []

    async def _fault(self, step: _Step, language: Language) -> tuple[Fault | None, Failure]:
        raised = await self.answer_to(step.result, language)
        failure = failure_of(raised)
        exception = step.result.exception
        if raised is None or raised.explanation is None or exception is None:
            return None, failure
        best = raised.ranking.matches[0]
        return Fault(
            slug=best.entry.slug,
            slots=best.slots,
            message=failure.text or f"{exception.type}: {exception.message}",
            line=exception.line,
            scene=step.result.scene,
        ), failure

    async def _try(
        self, step: _Step, failure: Failure, candidate: Candidate
    ) -> tuple[_Step, Failure]:
        """Run one candidate, watching the lines that failed so far, wherever they stand now."""
        exception = step.result.exception
        failed = exception.line if exception else None
        lines = (*step.watched, *((failed,) if failed else ()))
        watched = tuple(follow(line, step.code, candidate.code) or 0 for line in lines)
        result = await self._run(candidate.code, tuple(filter(None, watched)))
        edit = Edit(candidate.rewrite, candidate.grade, candidate.values)
        layer = _failed_layer(step.result.scene)
        return _Step(candidate.code, result, (*step.edits, edit), watched, layer), failure

    async def _holds(self, step: _Step, start: _Step, language: Language) -> bool:
        """Whether a program ends well, still runs what failed, and warns of nothing new."""
        if not ended_well(step.result) or not set(step.watched) <= set(step.result.reached):
            return False
        if "Warning" not in step.result.stderr:
            return True
        warned = await self._answer(step.result.stderr, language)
        if warned.explanation is None:
            return True
        before = await self._answer(start.result.stderr, language) if start.result.stderr else None
        known = before.explanation.slug if before and before.explanation else None
        return warned.explanation.slug == known

    async def _leads_on(self, step: _Step, failure: Failure, language: Language) -> bool:
        """Whether a program gets further than before and fails there: that may be mended too."""
        if step.result.status is not Status.ERROR or missing_in(step.code, step.result):
            return False
        raised = await self.answer_to(step.result, language)
        if raised is None:
            return False
        return not failure.is_same(failure_of(raised)) or _got_further(step)


def follow(line: int, before: str, after: str) -> int | None:
    """Where the line numbered `line` of `before` stands in `after`; None where it is gone.

    A line that was changed stands where the most similar of the lines stands that took its place.
    """
    old, new = before.splitlines(), after.splitlines()
    if not 1 <= line <= len(old):
        return None
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if not i1 < line <= i2:
            continue
        if kind == "equal":
            return j1 + line - i1
        likeness = [(_likeness(old[line - 1], new[j]), j + 1) for j in range(j1, j2)]
        best = max(likeness, default=(0.0, 0))
        # Where lines were taken away, the one that failed may be among those.
        return best[1] if best[0] >= _ALIKE or j2 - j1 >= i2 - i1 else None
    return None


_ALIKE = 0.4


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.strip(), other.strip(), autojunk=False).ratio()


def _got_further(step: _Step) -> bool:
    """Whether a program fails at a later line, or in a later layer of the same line, than before.

    The same mistake often stands in several places.
    """
    exception, scene = step.result.exception, step.result.scene
    if set(step.watched) <= set(step.result.reached):
        return exception is not None and exception.line not in step.watched
    return scene is not None and step.failed_layer not in (None, _failed_layer(scene))


def _failed_layer(scene: Scene | None) -> str | None:
    failed = [layer.name for layer in scene.layers if layer.failed] if scene else []
    return failed[-1] if failed else None


def failure_of(raised: Answer | None) -> Failure:
    if raised is None:
        return Failure(None, None)
    error = raised.post.errors[0] if raised.post.errors else None
    entry = raised.ranking.matches[0].entry if raised.explanation else None
    return Failure(entry, error.text if error else None)
