"""Proves entries in the sandbox: the failing code fails as they say, the working code works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.tutor import Tutor
from knowledge.entry import Entry, Kind
from knowledge.language import Language
from sandbox.protocol import Result, Status
from sandbox.waiting import NOBODY, Asker


class Flaw(StrEnum):
    """Why an entry does not hold; the value is the sentence about it."""

    RAISES_NOTHING = "the failing code ended with status {status}, not with an exception"
    FAILS_ANOTHER_WAY = "the failing code ended with status {status}: {said}"
    SAME_OUTPUT = "both examples print the same, so nothing shows the difference"
    WORKS_NOT = "the working code ended with status {status}: {said}"
    NO_MESSAGE = "there is no message to search for"
    OTHERS_FIRST = "the search ranks {ranked} for: {said}"
    NOT_SURE = "the search is not sure of its answer for: {said}"


@dataclass(frozen=True)
class Objection:
    """A flaw with what was seen."""

    flaw: Flaw
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.flaw.value.format(**self.values)


@dataclass(frozen=True)
class Proven:
    """The outcome of one entry."""

    slug: str
    faults: tuple[Objection, ...]
    """What does not hold; empty when all holds."""
    recorded: bool
    """True when the failure cannot be raised here and a recorded message stood in for it."""

    @property
    def holds(self) -> bool:
        """Whether the entry keeps its promise."""
        return not self.faults


async def prove(tutor: Tutor, entry: Entry, asker: Asker = NOBODY) -> Proven:
    """Run both blocks of `entry` and search for what the failing one says.

    An error must raise a message that the whole search ranks first with this entry; a warning must
    be printed and found likewise; a silent pitfall or a tip must end well twice, with another
    output. An entry that cannot be raised here is proven by its recorded message.
    """
    faults: list[Objection] = []
    if entry.proof.provable:
        example = await tutor.example(entry.slug, Language.EN, asker=asker)
        faults += await _failing_faults(tutor, entry, example.before, example.after)
        faults += _working_faults(example.after)
    else:
        if entry.kind in {Kind.ERROR, Kind.WARNING}:
            faults += await _ranking_faults(tutor, entry, entry.proof.recorded)
        if entry.works is not None:
            faults += _working_faults((await tutor.run(entry.works, asker=asker)).result)
    return Proven(entry.slug, tuple(faults), recorded=not entry.proof.provable)


async def _failing_faults(
    tutor: Tutor, entry: Entry, before: Result, after: Result
) -> list[Objection]:
    if entry.kind is Kind.ERROR:
        if before.exception is None:
            return [Objection(Flaw.RAISES_NOTHING, {"status": before.status})]
        return await _ranking_faults(tutor, entry, before.exception.traceback)
    if before.status is not Status.OK:
        return [_ended(Flaw.FAILS_ANOTHER_WAY, before)]
    if entry.kind is Kind.WARNING:
        return await _ranking_faults(tutor, entry, before.stderr)
    if before.stdout == after.stdout:
        return [Objection(Flaw.SAME_OUTPUT)]
    return []


def _working_faults(after: Result) -> list[Objection]:
    return [] if after.status is Status.OK else [_ended(Flaw.WORKS_NOT, after)]


def _ended(flaw: Flaw, result: Result) -> Objection:
    return Objection(flaw, {"status": result.status, "said": _tail(result)})


async def _ranking_faults(tutor: Tutor, entry: Entry, message: str) -> list[Objection]:
    if not message.strip():
        return [Objection(Flaw.NO_MESSAGE)]
    said = _last_line(message)
    answer = await tutor.answer(message)
    ranked = [match.entry.slug for match in answer.ranking.matches[:3]]
    if ranked[:1] != [entry.slug]:
        others = ", ".join(ranked) or "nothing"
        return [Objection(Flaw.OTHERS_FIRST, {"ranked": others, "said": said})]
    if answer.explanation is None:
        return [Objection(Flaw.NOT_SURE, {"said": said})]
    return []


def _tail(result: Result) -> str:
    if result.exception is not None:
        return f"{result.exception.type}: {result.exception.message[:200]}"
    return result.detail or _last_line(result.stderr)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else ""
