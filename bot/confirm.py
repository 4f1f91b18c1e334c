"""Before and after: a post's own code, and the change under which its error is gone."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bot import memory
from bot.complete import Completed, MadeUp, complete
from bot.mending import Mender, Repair, failure_of
from bot.outcome import Failure, ended_well, missing_in
from bot.repair import Grade
from knowledge.entry import Entry
from knowledge.explain import Explanation
from knowledge.language import Language
from sandbox.protocol import Result, Snippet, Status

if TYPE_CHECKING:
    from bot.tutor import Answer

ALTERNATIVES: Final = 2
"""How many further repairs that ran are shown."""


class Verdict(StrEnum):
    """What became of a post's error under the proposed code."""

    FIXED = "fixed"
    SAME_ERROR = "same-error"
    OTHER_ERROR = "other-error"
    INCOMPLETE = "incomplete"
    TIMEOUT = "timeout"
    OOM = "oom"
    UNREPAIRED = "unrepaired"
    NOT_REPRODUCED = "not-reproduced"


@dataclass(frozen=True)
class Confirmation:
    """Before and after: the post's own code, then the code that is said to be better."""

    verdict: Verdict
    language: Language
    entry: Entry | None
    """The entry of the post's error; None when no entry fits."""
    before_code: str
    """The post's own code as it ran, completed where it lacked something; empty for none."""
    before: Result | None
    """The run of the post's own code; None when the post holds none."""
    after: Result | None
    """The run of the proposed code; None when none was proposed."""
    missing: tuple[str, ...]
    """Names, modules and files that the code needs and does not bring."""
    explanation: Explanation | None
    """Of the error that the proposed code ends with, else of the one that no edit removed."""
    code: str
    """The code that ran as "after"; empty when there was none."""
    repair: Repair | None = None
    """The edit that the tutor found itself and ran; None when the learner brought the change."""
    alternatives: tuple[Repair, ...] = ()
    """Other edits that run as well, where the cause is ambiguous; all of them, where each is only
    a guess and none is called the fix."""
    imports: tuple[str, ...] = ()
    """Import lines that were added to what the learner posted."""
    made_up: tuple[MadeUp, ...] = ()
    """Inputs that were made up, because the post does not bring them."""
    simulated: bool = False
    """Whether the runs were made with a simulated CUDA device, because this host has no GPU."""
    estimate: memory.Estimate | None = None
    """What a post whose memory ran out needs, where that can be told."""


class Confirmer:
    """Runs a post's code and the changes to it. `answer` explains a text, `run` runs a snippet.

    With `simulate_cuda` everything runs as on a machine with one CUDA device.
    """

    def __init__(
        self,
        answer: Callable[[str, Language | None], Awaitable[Answer]],
        run: Callable[[Snippet], Awaitable[Result]],
        *,
        simulate_cuda: bool = False,
    ) -> None:
        self._mender = Mender(answer, self._run)
        self._run_snippet = run
        self._simulate_cuda = simulate_cuda

    async def _run(self, code: str, watch: tuple[int, ...] = ()) -> Result:
        snippet = Snippet(code=code, watch=watch, simulate_cuda=self._simulate_cuda)
        return await self._run_snippet(snippet)

    async def judge(self, asked: Answer, code: str) -> Confirmation:
        """Run the post's own code, then `code`, and tell whether the error of the post is gone."""
        own, before = await self._before(asked)
        expected = await self._expected(asked, before)
        changed = self._completed(code, asked)
        after = await self._run(changed.code)
        verdict, missing, explanation = await self._verdict(
            changed.code, after, expected, asked.language
        )
        return replace(
            self._told(verdict, asked, own, before, expected),
            after=after,
            missing=missing,
            explanation=explanation,
            code=changed.code,
            imports=changed.imports,
            made_up=changed.made_up,
        )

    async def mend(self, asked: Answer) -> Confirmation:
        """Run the post's own code and look for an edit under which it runs."""
        own, before = await self._before(asked)
        expected = await self._expected(asked, before)
        told = self._told(Verdict.UNREPAIRED, asked, own, before, expected)
        estimate = await self._estimate(asked, own, expected)
        told = replace(told, explanation=asked.explanation, estimate=estimate)
        if before is None:
            return told
        if ended_well(before):
            return replace(told, verdict=Verdict.NOT_REPRODUCED)
        missing = missing_in(own.code, before)
        if missing:
            missing = tuple(dict.fromkeys((*missing, *own.missing)))
            return replace(told, verdict=Verdict.INCOMPLETE, missing=missing)
        repairs = await self._mender.repairs(own.code, before, asked.language)
        if not repairs or repairs[0].grade is Grade.GUESS:
            raised = await self._mender.answer_to(before, asked.language)
            explanation = raised.explanation if raised else told.explanation
            return replace(told, explanation=explanation, alternatives=_few(repairs))
        best, *others = repairs
        return replace(
            told,
            verdict=Verdict.FIXED,
            after=best.result,
            explanation=None,
            code=best.code,
            repair=best,
            alternatives=_few(others),
        )

    async def reproduce(self, asked: Answer) -> Result | None:
        """The run of the post's own code; None when it holds none."""
        return (await self._before(asked))[1]

    # --- The run before ---------------------------------------------------------------------------

    async def _before(self, asked: Answer) -> tuple[Completed, Result | None]:
        own_code = "\n\n".join(asked.post.code)
        if not own_code.strip():
            return Completed("", (), (), ()), None
        own = self._completed(own_code, asked)
        return own, await self._run(own.code)

    def _completed(self, code: str, asked: Answer) -> Completed:
        best = asked.ranking.matches[0] if asked.explanation else None
        if best is None:
            return complete(code)
        return complete(code, slug=best.entry.slug, slots=best.slots)

    async def _expected(self, asked: Answer, before: Result | None) -> Failure:
        """The error that the change has to remove: the posted one, else what the code raised."""
        error = asked.post.errors[0] if asked.post.errors else None
        best = asked.ranking.matches[0].entry if asked.explanation else None
        if error is None and before is not None and before.exception is not None:
            raised = await self._mender.answer_to(before, asked.language)
            failure = failure_of(raised)
            return Failure(failure.entry or best, failure.text)
        return Failure(best, error.text if error else None)

    def _told(
        self,
        verdict: Verdict,
        asked: Answer,
        own: Completed,
        before: Result | None,
        expected: Failure,
    ) -> Confirmation:
        return Confirmation(
            verdict=verdict,
            language=asked.language,
            entry=expected.entry,
            before_code=own.code,
            before=before,
            after=None,
            missing=own.missing if before is None else (),
            explanation=None,
            code="",
            imports=own.imports,
            made_up=own.made_up,
            simulated=self._simulate_cuda and before is not None,
        )

    async def _estimate(
        self, asked: Answer, own: Completed, expected: Failure
    ) -> memory.Estimate | None:
        if expected.entry is None or expected.entry.slug not in memory.ENTRIES:
            return None
        slots = asked.ranking.matches[0].slots if asked.explanation else {}
        told = memory.from_message(slots, expected.text or "")
        return replace(told, step=await memory.measured(own.code, self._run))

    # --- The learner's own change -----------------------------------------------------------------

    async def _verdict(
        self, code: str, after: Result, expected: Failure, language: Language
    ) -> tuple[Verdict, tuple[str, ...], Explanation | None]:
        if ended_well(after):
            return Verdict.FIXED, (), None
        if after.status is Status.TIMEOUT:
            return Verdict.TIMEOUT, (), None
        if after.status is Status.OOM:
            return Verdict.OOM, (), None
        missing = missing_in(code, after)
        if missing:
            return Verdict.INCOMPLETE, missing, None
        raised = await self._mender.answer_to(after, language)
        if raised is None:
            return Verdict.OTHER_ERROR, (), None
        same = expected.is_same(failure_of(raised))
        return Verdict.SAME_ERROR if same else Verdict.OTHER_ERROR, (), raised.explanation


def unified_diff(before: str, after: str) -> str | None:
    """The change between two programs; None when one of them is not known."""
    if not before.strip() or not after.strip():
        return None
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "before", "after", lineterm=""
    )
    return "\n".join(lines)


def _few(repairs: Sequence[Repair]) -> tuple[Repair, ...]:
    return tuple(repairs[:ALTERNATIVES])
