"""The service behind every front end: explain a post, run a snippet, confirm a fix."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.inputs import require_text
from bot.missing import missing_parts
from knowledge.entry import Entry
from knowledge.explain import Explanation, explain
from knowledge.language import Language, detect_language
from knowledge.post import Post, parse
from knowledge.search import Match, Ranking, Searcher
from sandbox.pool import SandboxError
from sandbox.protocol import Device, Limits, Result, Snippet, Status

NEAREST = 3
"""How many explanations are offered when none is sure."""


class Runner(Protocol):
    """Whatever runs snippets: a pool of this process, or a queue to workers."""

    async def run(self, snippet: Snippet, limits: Limits | None = None) -> Result: ...


class NotProvable(ValueError):
    """An entry whose example cannot run here; the message is the reason that the entry gives."""


class UnknownEntry(LookupError):
    """A slug that no entry has."""


@dataclass(frozen=True)
class Answer:
    """What the tutor has to say about a post."""

    post: Post
    language: Language
    ranking: Ranking
    explanation: Explanation | None
    """The explanation that fits; None where silence is better in a channel."""
    candidates: tuple[Explanation, ...]
    """Up to three nearest explanations, best first, also when none is sure."""


@dataclass(frozen=True)
class RunReport:
    """A finished run, and the explanation of what went wrong in it."""

    result: Result
    language: Language
    answer: Answer | None
    """None when the run raised nothing and warned of nothing."""


class Verdict(StrEnum):
    """What became of a post's error under the proposed code."""

    FIXED = "fixed"
    SAME_ERROR = "same-error"
    OTHER_ERROR = "other-error"
    INCOMPLETE = "incomplete"
    TIMEOUT = "timeout"
    OOM = "oom"
    UNREPAIRED = "unrepaired"


@dataclass(frozen=True)
class Confirmation:
    """Before and after: the post's own code, then the code that is said to be better."""

    verdict: Verdict
    language: Language
    entry: Entry | None
    """The entry of the post's error; None when no entry fits."""
    before_code: str
    """The post's own code; empty when it holds none."""
    before: Result | None
    """The run of the post's own code; None when the post holds none."""
    after: Result | None
    """The run of the proposed code; None when none was proposed."""
    missing: tuple[str, ...]
    """Names, modules and files that the code needs and does not bring."""
    explanation: Explanation | None
    """Of the error that the proposed code ends with, where an entry fits."""
    code: str
    """The code that ran as "after"; empty when there was none."""


@dataclass(frozen=True)
class ExampleRun:
    """An entry's own example, run twice: as it fails and as it works."""

    explanation: Explanation
    before: Result
    after: Result


class Tutor:
    """Joins knowledge and sandbox. One instance serves all front ends of a process."""

    def __init__(self, searcher: Searcher, runner: Runner) -> None:
        self._searcher = searcher
        self._runner = runner
        self._library: Mapping[str, Entry] = {entry.slug: entry for entry in searcher.entries}

    async def answer(self, text: str, language: Language | None = None) -> Answer:
        """The explanation that fits `text`, or the nearest ones.

        `language` is the one to answer in; the post's own when None. Raises InputError for blank
        text.
        """
        require_text(text, "the post")
        return await asyncio.to_thread(self._answer, text, language)

    def _answer(self, text: str, language: Language | None) -> Answer:
        post = parse(text)
        spoken = language or post.language
        ranking = self._searcher.search(post)
        candidates = tuple(self._explain(match, spoken) for match in ranking.matches[:NEAREST])
        answered = ranking.answered and bool(candidates)
        return Answer(post, spoken, ranking, candidates[0] if answered else None, candidates)

    def _explain(self, match: Match, language: Language) -> Explanation:
        return explain(match.entry, match.slots, language, self._library)

    async def prepare(self) -> None:
        """Load the language model and its index now, not at the first post that needs them.

        Raises EncoderError when the model cannot be loaded.
        """
        await asyncio.to_thread(self._searcher.load)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, sorted by slug."""
        return tuple(self._library.values())

    def entry(self, slug: str) -> Entry:
        """The entry with this slug. Raises UnknownEntry."""
        try:
            return self._library[slug]
        except KeyError:
            raise UnknownEntry(f"There is no entry {slug!r}.") from None

    def explain(
        self, slug: str, language: Language, slots: Mapping[str, int | float | str] | None = None
    ) -> Explanation:
        """The explanation of one entry, with the slots of a message where given."""
        return explain(self.entry(slug), slots or {}, language, self._library)

    async def run(
        self, code: str, device: Device = Device.CPU, language: Language | None = None
    ) -> RunReport:
        """Run `code` in the sandbox and explain how it ended.

        Raises InputError for blank code and SandboxError when the sandbox cannot run anything.
        """
        require_text(code, "the snippet")
        spoken = language or detect_language(code)
        result = await self._run(code, device)
        said = _said_by(result)
        answer = await self.answer(said, spoken) if said else None
        return RunReport(result, spoken, answer)

    async def confirm(
        self, post: str, code: str | None, language: Language | None = None
    ) -> Confirmation:
        """Run the post's own code, then `code`, and judge whether the error of the post is gone.

        Raises InputError for a blank post or code and SandboxError when the sandbox fails.
        """
        asked = await self.answer(post, language)
        if code is not None:
            require_text(code, "the code to confirm")
        own_code = "\n\n".join(asked.post.code)
        before = await self._run(own_code) if own_code.strip() else None
        expected = await self._expected_error(asked, before)
        if code is None:
            missing = _missing(own_code, before)
            return Confirmation(
                Verdict.UNREPAIRED,
                asked.language,
                expected.entry,
                own_code,
                before,
                None,
                missing,
                None,
                "",
            )
        after = await self._run(code)
        verdict, missing, explanation = await self._judge(code, after, expected, asked.language)
        return Confirmation(
            verdict,
            asked.language,
            expected.entry,
            own_code,
            before,
            after,
            missing,
            explanation,
            code,
        )

    async def example(self, slug: str, language: Language) -> ExampleRun:
        """Run the failing and the working code of an entry, side by side.

        Raises UnknownEntry, and NotProvable when the entry's failure cannot be shown here.
        """
        entry = self.entry(slug)
        if not entry.proof.provable or entry.fails is None or entry.works is None:
            raise NotProvable(entry.proof.reason or f"The entry {slug} has no example to run.")
        before, after = await asyncio.gather(self._run(entry.fails), self._run(entry.works))
        return ExampleRun(self.explain(slug, language), before, after)

    async def _run(self, code: str, device: Device = Device.CPU) -> Result:
        result = await self._runner.run(Snippet(code=code, device=device))
        if result.status is Status.INTERNAL:
            raise SandboxError(result.detail or "The sandbox ended without a result. Try again.")
        return result

    async def _expected_error(self, asked: Answer, before: Result | None) -> _Expected:
        """The error that the fix has to remove: the posted one, else what the code raised."""
        error = asked.post.errors[0] if asked.post.errors else None
        best = asked.ranking.matches[0].entry if asked.explanation else None
        if error is None and before is not None and before.exception is not None:
            raised = await self.answer(_said_by(before) or "", asked.language)
            error = raised.post.errors[0] if raised.post.errors else None
            best = raised.ranking.matches[0].entry if raised.explanation else best
        return _Expected(best, _shape_of(error.text) if error else None)

    async def _judge(
        self, code: str, after: Result, expected: _Expected, language: Language
    ) -> tuple[Verdict, tuple[str, ...], Explanation | None]:
        if after.status is Status.OK or (after.status is Status.EXIT and after.exit_code == 0):
            return Verdict.FIXED, (), None
        if after.status is Status.TIMEOUT:
            return Verdict.TIMEOUT, (), None
        if after.status is Status.OOM:
            return Verdict.OOM, (), None
        missing = _missing(code, after)
        if missing:
            return Verdict.INCOMPLETE, missing, None
        said = _said_by(after)
        if not said:
            return Verdict.OTHER_ERROR, (), None
        raised = await self.answer(said, language)
        entry = raised.ranking.matches[0].entry if raised.explanation else None
        error = raised.post.errors[0] if raised.post.errors else None
        if _is_same(expected, entry, _shape_of(error.text) if error else None):
            return Verdict.SAME_ERROR, (), raised.explanation
        return Verdict.OTHER_ERROR, (), raised.explanation


@dataclass(frozen=True)
class _Expected:
    """The error of a post: its entry, and its message with the numbers taken out."""

    entry: Entry | None
    shape: str | None


def _is_same(expected: _Expected, entry: Entry | None, shape: str | None) -> bool:
    if expected.entry is not None and entry is not None:
        return expected.entry.slug == entry.slug
    return shape is not None and shape == expected.shape


def _shape_of(message: str) -> str:
    """A message without its numbers and spacing: two runs of one error agree in it."""
    return " ".join(re.sub(r"\d+", "#", message).split())


def _missing(code: str, result: Result | None) -> tuple[str, ...]:
    """What `code` lacks, where its run ended for want of it."""
    if result is None or result.exception is None:
        return ()
    return missing_parts(code, result.exception.type, result.exception.message)


def _said_by(result: Result) -> str | None:
    """What a run printed about its own failure, as a learner would paste it; None when nothing."""
    raised = result.exception
    if raised is not None:
        last = f"{raised.type}: {raised.message}"
        return raised.traceback if last in raised.traceback else f"{raised.traceback}\n{last}"
    if result.status is Status.OK and "Warning" in result.stderr:
        return result.stderr
    return None
