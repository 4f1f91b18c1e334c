"""Proves entries in the sandbox: the failing code fails as they say, the working code works."""

from __future__ import annotations

from dataclasses import dataclass

from bot.tutor import Tutor
from knowledge.entry import Entry, Kind
from knowledge.language import Language
from sandbox.protocol import Result, Status


@dataclass(frozen=True)
class Proven:
    """The outcome of one entry."""

    slug: str
    faults: tuple[str, ...]
    """What does not hold, in words; empty when all holds."""
    recorded: bool
    """True when the failure cannot be raised here and a recorded message stood in for it."""

    @property
    def holds(self) -> bool:
        """Whether the entry keeps its promise."""
        return not self.faults


async def prove(tutor: Tutor, entry: Entry) -> Proven:
    """Run both blocks of `entry` and search for what the failing one says.

    An error must raise a message that the whole search ranks first with this entry; a warning must
    be printed and found likewise; a silent pitfall or a tip must end well twice, with another
    output. An entry that cannot be raised here is proven by its recorded message.
    """
    faults: list[str] = []
    if entry.proof.provable:
        example = await tutor.example(entry.slug, Language.EN)
        faults += await _failing_faults(tutor, entry, example.before, example.after)
        faults += _working_faults(example.after)
    else:
        if entry.kind in {Kind.ERROR, Kind.WARNING}:
            faults += await _ranking_faults(tutor, entry, entry.proof.recorded)
        if entry.works is not None:
            faults += _working_faults((await tutor.run(entry.works)).result)
    return Proven(entry.slug, tuple(faults), recorded=not entry.proof.provable)


async def _failing_faults(tutor: Tutor, entry: Entry, before: Result, after: Result) -> list[str]:
    if entry.kind is Kind.ERROR:
        if before.exception is None:
            return [f"the failing code ended with status {before.status}, not with an exception"]
        return await _ranking_faults(tutor, entry, before.exception.traceback)
    if before.status is not Status.OK:
        return [f"the failing code ended with status {before.status}: {_tail(before)}"]
    if entry.kind is Kind.WARNING:
        return await _ranking_faults(tutor, entry, before.stderr)
    if before.stdout == after.stdout:
        return ["both examples print the same, so nothing shows the difference"]
    return []


def _working_faults(after: Result) -> list[str]:
    if after.status is Status.OK:
        return []
    return [f"the working code ended with status {after.status}: {_tail(after)}"]


async def _ranking_faults(tutor: Tutor, entry: Entry, message: str) -> list[str]:
    if not message.strip():
        return ["there is no message to search for"]
    answer = await tutor.answer(message)
    ranked = [match.entry.slug for match in answer.ranking.matches[:3]]
    if ranked[:1] != [entry.slug]:
        return [f"the search ranks {', '.join(ranked) or 'nothing'} for: {_last_line(message)}"]
    if answer.explanation is None:
        return [f"the search is not sure of its answer for: {_last_line(message)}"]
    return []


def _tail(result: Result) -> str:
    if result.exception is not None:
        return f"{result.exception.type}: {result.exception.message[:200]}"
    return result.detail or _last_line(result.stderr)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else ""
