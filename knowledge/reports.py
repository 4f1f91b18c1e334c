"""Which error of a post says what went wrong: the root of a chain, unless it was handled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from knowledge.frames import Frame

MAX_ERRORS: Final = 60
"""How many different errors of one post are kept, counted from its end."""

MAX_FRAMES: Final = 400
"""How many frames of one error are kept, counted from the call that raised it."""


class Weight(IntEnum):
    """How much an error tells about what went wrong, most first."""

    CAUSE = 0
    MENTION = 1
    UNTYPED = 2
    HANDLED = 3
    AFTERMATH = 4
    WARNING = 5


@dataclass(frozen=True)
class ErrorReport:
    """One error that a post reports; `text` is "Type: message" with all lines of the message."""

    exception: str | None
    message: str
    frames: tuple[Frame, ...]
    text: str


@dataclass
class Found:
    """An error on its way to a report.

    Errors of one chain share `chain`; `origin` names the process that reported it; `inner` is one
    that stood inside another's message.
    """

    exception: str | None
    message: str
    frames: list[Frame]
    weight: Weight
    chain: int
    origin: str = ""
    inner: bool = False


# Errors that only carry, or follow from, another one: that other one says what went wrong.
_AFTERMATH = re.compile(
    r"Caught \w+ in |exited unexpectedly|\bfailed \(exitcode|raised:\s*$"
    r"|Dynamo failed to run FX node|returned non-zero exit status"
    r"|^(?:Command|Process) .{0,200}(?:died|terminated) with"
    r"|remote process exited|Connection (?:closed|reset) by (?:remote )?peer"
)
_AFTERMATH_TYPES = re.compile(
    r"(?:^|\.)(?:BrokenPipeError|EOFError|ConnectionResetError|ConnectionRefusedError"
    r"|(?:Base)?ExceptionGroup|ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|RemoteTraceback"
    r"|KeyboardInterrupt|SystemExit|SignalException)$"
)
_LOOKUP = re.compile(
    r"(?:^|\.)(?:KeyError|AttributeError|ImportError|ModuleNotFoundError|IndexError|LookupError"
    r"|FileNotFoundError|NotImplementedError)$"
)
_SIGNAL = re.compile(r"(?:^|\.)(?:Empty|StopIteration|StopAsyncIteration)$")
_RANK = re.compile(r"(\d{1,5})(?!.*\d)")


def weigh(exception: str | None, message: str, *, inline: bool) -> Weight:
    """How much the error tells by its own words; `inline` where a sentence mentions it."""
    if exception is None:
        return Weight.UNTYPED
    first = message.split("\n", 1)[0]
    if _AFTERMATH.search(first) or _AFTERMATH_TYPES.search(exception):
        return Weight.AFTERMATH
    return Weight.MENTION if inline else Weight.CAUSE


def was_handled(first: Found, second: Found) -> bool:
    """Whether the handler of `first` went on to something else, where `second` happened.

    A handler that raises `second` itself only translates `first`. One that makes a call which then
    fails had dealt with `first`, where that is an error by which programs look things up.
    """
    exception = first.exception or ""
    if _SIGNAL.search(exception):
        return True
    if not (_LOOKUP.search(exception) and first.frames and second.frames):
        return False
    places = {(frame.file, frame.function) for frame in first.frames}
    passed = [(frame.file, frame.function) in places for frame in second.frames]
    return any(passed) and not passed[-1]


def in_order(frames: Sequence[Frame], *, innermost_first: bool) -> list[Frame]:
    """`frames` from the outermost call to the innermost, as Python prints them."""
    functions = [frame.function for frame in frames]
    upside_down = "<module>" in functions[-1:] and "<module>" not in functions[:1]
    return list(frames[::-1] if innermost_first or upside_down else frames)


def reports(found: Sequence[Found], *, root_rank: int | None) -> tuple[ErrorReport, ...]:
    """The errors as reports, most decisive first.

    Within a chain the root stands first; of several chains the last one counts most, unless the
    launcher named the process of `root_rank` as the first that failed.
    """
    ordered = sorted(
        enumerate(found),
        key=lambda item: (
            item[1].weight,
            not _is_from(item[1], root_rank),
            -item[1].chain,
            not item[1].inner,
            item[0],
        ),
    )
    unique: dict[tuple[str | None, str], Found] = {}
    for _, error in ordered:
        key = (error.exception, " ".join(error.message.split()))
        known = unique.setdefault(key, error)
        if not known.frames:
            known.frames = error.frames
    return tuple(_report(error) for error in list(unique.values())[:MAX_ERRORS])


def _is_from(error: Found, rank: int | None) -> bool:
    named = _RANK.search(error.origin) if rank is not None else None
    return named is not None and int(named[1]) == rank


def _report(error: Found) -> ErrorReport:
    text = error.message if error.exception is None else f"{error.exception}: {error.message}"
    return ErrorReport(
        error.exception, error.message, tuple(error.frames), text.rstrip().rstrip(":").rstrip()
    )
