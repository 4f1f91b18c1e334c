"""What a run said about its own failure, and whether two failures are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.missing import missing_parts
from knowledge.entry import Entry
from sandbox.protocol import Result, Status


@dataclass(frozen=True)
class Failure:
    """The error of a post or a run: its entry, its message, and the message without numbers."""

    entry: Entry | None
    text: str | None

    @property
    def shape(self) -> str | None:
        """The message without its numbers and spacing: two runs of one error agree in it."""
        if self.text is None:
            return None
        return " ".join(re.sub(r"\d+", "#", self.text).split())

    def is_same(self, other: Failure) -> bool:
        """Whether both are the same error: by entry where both have one, else by message."""
        if self.entry is not None and other.entry is not None:
            return self.entry.slug == other.entry.slug
        return self.shape is not None and self.shape == other.shape


def error_text(result: Result) -> str:
    """The traceback of a failed run with its last line, as a terminal shows it; empty for none."""
    raised = result.exception
    if raised is None:
        return ""
    last = f"{raised.type}: {raised.message}" if raised.message else raised.type
    if last in raised.traceback:
        return raised.traceback.strip("\n")
    return f"{raised.traceback}\n{last}".strip("\n")


def said_by(result: Result) -> str | None:
    """What a run printed about its own failure, as a learner would paste it; None when nothing."""
    if result.exception is not None:
        return error_text(result)
    if ended_well(result) and "Warning" in result.stderr:
        return result.stderr
    return None


def ended_well(result: Result) -> bool:
    """Whether the snippet came to its end, or ended itself with exit code 0."""
    return result.status is Status.OK or (result.status is Status.EXIT and result.exit_code == 0)


def missing_in(code: str, result: Result | None) -> tuple[str, ...]:
    """What `code` lacks, where its run ended for want of it."""
    if result is None or result.exception is None:
        return ()
    return missing_parts(code, result.exception.type, result.exception.message)
