"""Put the lines of a post together to the errors that it reports, the decisive one first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Final

from knowledge import frames as kinds
from knowledge.frames import ErrorLine, Frame

MAX_ERRORS: Final = 60
"""How many different errors of one post are kept, counted from its end."""

MAX_FRAMES: Final = 400
"""How many frames of one error are kept, counted from the call that raised it."""

_MAX_MESSAGE_LINES = 60


class LineKind(StrEnum):
    """What a line of a post is, as far as tracebacks are concerned."""

    OTHER = "other"
    FENCE = "fence"
    TRACEBACK = "traceback"


class Weight(IntEnum):
    """How much an error tells about what went wrong, most first."""

    CAUSE = 0
    MENTION = 1
    UNTYPED = 2
    AFTERMATH = 3
    WARNING = 4


@dataclass(frozen=True)
class ErrorReport:
    """One error that a post reports; `text` is "Type: message" with all lines of the message."""

    exception: str | None
    message: str
    frames: tuple[Frame, ...]
    text: str


@dataclass
class _Found:
    """An error on its way to a report; errors of one chain share `chain`."""

    exception: str | None
    message: str
    frames: list[Frame]
    weight: Weight
    chain: int
    inner: bool = False


# Errors that only carry, or follow from, another one: that other one says what went wrong.
_AFTERMATH = re.compile(
    r"Caught \w+ in |exited unexpectedly|\bfailed \(exitcode|raised:\s*$"
    r"|Dynamo failed to run FX node|returned non-zero exit status"
    r"|^(?:Command|Process) .{0,200}(?:died|terminated) with"
)
_AFTERMATH_TYPES = re.compile(
    r"(?:^|\.)(?:BrokenPipeError|EOFError|ConnectionResetError|ConnectionRefusedError"
    r"|ChildFailedError|CalledProcessError|ProcessRaisedException|ProcessExitedException|RemoteTraceback"
    r"|KeyboardInterrupt|SystemExit|SignalException)$"
)
_NESTED = re.compile(r"\bgot ([A-Z]\w{2,60}Error)\((['\"])(.{3,600}?)\2\)")
_ELISION = re.compile(
    r"^\s*(?:\.{3}|…|\[Previous line repeated|\[?\d+ (?:skipped |hidden )?frames?\b|\[\.\.\. )"
)
_STOP = re.compile(
    r"^\s*(?:>>>|\.\.\. |In ?\[|Out ?\[|\$ |\"\"\"|'''|# In\[|#{2,6} "
    r"|(?:\([\w.-]{1,40}\) )?[\w.@~-]{1,40}[:~].{0,60}[$#] )"
)
_MARKUP = re.compile(r"^\s*(?:[#*|<>`]|-\s|\d{1,3}[.)、]\s)")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENTENCE_END = re.compile(r"[.!?。!?)\]}>`\"'…]\s*$")
_GOES_ON = re.compile(
    r"^\s*(?:CUDA kernel errors|For debugging|Compile with|Hint\b|Target sizes"
    r"|Exception raised from|If |Please |Consider |Search for|Device-side assert|Your GPU|Got "
    r"|Expected |but got|In order to|You can |This (?:could|may|error|is)|To (?:fix|use|run)|Set "
    r"|Use |See |\(triggered|['\"])"
)
_SMALL = re.compile(r"^\s*[a-z(\[]")
_COMMENT = re.compile(r"^\s*(?://+|#+|--|%+|;+|\*)\s?")


@dataclass
class _Reader:
    """Reads the lines of one post from top to bottom."""

    lines: Sequence[str]
    kinds: list[LineKind] = field(default_factory=list)
    found: list[_Found] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    inside: bool = False
    expects_code: bool = False
    head: str | None = None
    chain: int = 0
    linked: bool = False
    idle: int = 0
    fence: str = ""

    def read(self) -> None:
        """Fill `kinds` and `found` from `lines`."""
        self.kinds = [LineKind.OTHER] * len(self.lines)
        place = 0
        while place < len(self.lines):
            place += self._step(place)
        self._close()

    def _step(self, place: int) -> int:
        line = self.lines[place]
        if not line or line.isspace():
            return 1
        if self._is_fence(line):
            self.kinds[place] = LineKind.FENCE
            if not self.fence:
                self._close()
            return 1
        if self._traceback_line(line):
            self.kinds[place] = LineKind.TRACEBACK
            self.idle = 0
            return 1
        if kinds.is_rule(line):
            self.kinds[place] = LineKind.TRACEBACK
            return 1
        warning = kinds.warning_line(line)
        if warning:
            return self._add_warning(place, *warning)
        error = kinds.error_line(line)
        if error:
            return self._add(place, error)
        if self._belongs(line):
            self.kinds[place] = LineKind.TRACEBACK
            return 1
        self.inside = False
        self.idle += 1
        if self.idle > 12:
            self._close()
        return 1

    def _is_fence(self, line: str) -> bool:
        if "```" not in line and "~~~" not in line:
            return False
        found = kinds.FENCE.match(line)
        if not found or (self.inside and line.lstrip().startswith("~")):
            return False
        self.fence = "" if self.fence else found["mark"]
        return True

    def _traceback_line(self, line: str) -> bool:
        """Take a header, chain marker, frame, arrow or line of carets; False for anything else."""
        if "raceback" in line or "トレースバック" in line or "trace" in line:
            header = kinds.HEADER.search(line)
            if header:
                self._close()
                self.inside, self.head = True, kinds.notebook_header(line)
                if not self.linked:
                    self.chain += 1
                self.linked = False
                return True
        if "exception" in line and kinds.CHAIN.search(line):
            self._close()
            self.linked = self.inside = True
            return True
        frame = kinds.frame_of(line)
        if frame:
            if not self.inside and not self.linked and not self.frames:
                self.chain += 1
            self.frames.append(frame)
            self.inside = self.expects_code = True
            return True
        if not self.inside:
            return False
        arrow = kinds.ARROW.match(line) or kinds.PYTEST_ARROW.match(line)
        if arrow:
            self._arrow(arrow.groupdict())
            return True
        return kinds.CARETS.match(line) is not None

    def _arrow(self, groups: dict[str, str | None]) -> None:
        code = (groups.get("code") or "").strip()
        number = groups.get("line")
        if not self.frames:
            self.frames.append(Frame("", None, "", ""))
        last = self.frames[-1]
        self.frames[-1] = replace(last, line=int(number) if number else last.line, code=code)
        self.expects_code = False

    def _belongs(self, line: str) -> bool:
        """Whether `line` is source code shown inside a traceback."""
        if not self.inside:
            return False
        indented = line[0] in " \t"
        if self.expects_code and not kinds.CONTEXT.match(line):
            self.expects_code = False
            self.frames[-1] = replace(self.frames[-1], code=line.strip()[:400])
            return True
        return bool(indented or kinds.CONTEXT.match(line) or _ELISION.match(line))

    def _add(self, place: int, error: ErrorLine) -> int:
        message, end = self._message(place, error)
        own = not error.inline and error.exception is not None
        frames = self.frames[-MAX_FRAMES:] if own or self.inside else []
        if frames:
            self.frames = []
        wraps = end < len(self.lines) and message.endswith(":")
        weight = _weight(error, message)
        if wraps and weight is Weight.CAUSE and kinds.error_line(self.lines[end]):
            weight = Weight.AFTERMATH
        if not (self.inside or self.linked or frames):
            self.chain += 1
        chain = 0 if weight is Weight.UNTYPED else self.chain
        self.found.append(_Found(error.exception, message, frames, weight, chain))
        for nested in _NESTED.finditer(message):
            self.found.append(_Found(nested[1], nested[3], frames, Weight.CAUSE, self.chain, True))
        if not error.inline:
            self.head, self.inside, self.linked = None, False, False
        self.expects_code, self.idle = False, 0
        if not error.inline:
            for number in range(place, end):
                self.kinds[number] = LineKind.TRACEBACK
        return end - place

    def _add_warning(self, place: int, name: str, message: str) -> int:
        self.found.append(_Found(name, message.strip(), [], Weight.WARNING, 0))
        self.kinds[place] = LineKind.TRACEBACK
        following = place + 1
        if following < len(self.lines) and self.lines[following].startswith("  "):
            self.kinds[following] = LineKind.TRACEBACK
            return 2
        return 1

    def _message(self, place: int, error: ErrorLine) -> tuple[str, int]:
        """The whole message that begins at `place`, and the place of the first line after it."""
        first = self.lines[place]
        comment = _COMMENT.match(first) or re.search(r"\s#+\s?$", first[: error.start])
        # Indentation behind a comment's mark tells nothing about where the message ends.
        depth = len(first) if comment else _indent(first)
        parts = [error.message]
        end = place + 1
        while end < len(self.lines) and len(parts) < _MAX_MESSAGE_LINES:
            line = self.lines[end]
            if not line or line.isspace():
                if error.inline or comment or not self._bridges(end, depth):
                    break
                parts.append("")
                end += 1
                continue
            if comment:
                mark = _COMMENT.match(line)
                if not mark:
                    break
                line = line[mark.end() :]
            if self._starts_anew(line) or not _continues(parts[-1] or parts[0], line, depth, error):
                break
            parts.append(line.strip())
            end += 1
        while parts and not parts[-1]:
            parts.pop()
            end -= 1
        return "\n".join(parts).strip(), max(end, place + 1)

    def _bridges(self, end: int, depth: int) -> bool:
        following = next((line for line in self.lines[end + 1 : end + 3] if line.strip()), "")
        return (
            _indent(following) > depth
            and not self._starts_anew(following)
            and not kinds.CONTEXT.match(following)
        )

    def _starts_anew(self, line: str) -> bool:
        if "```" in line or _STOP.match(line) or kinds.is_rule(line):
            return True
        if kinds.HEADER.search(line) or kinds.CHAIN.search(line) or kinds.frame_of(line):
            return True
        if kinds.BOX_TOP.match(line) or kinds.CARETS.match(line) or kinds.ARROW.match(line):
            return True
        error = kinds.error_line(line)
        return bool(error and not error.inline) or kinds.warning_line(line) is not None

    def _close(self) -> None:
        """End the current traceback; frames without an error line belong to the error before."""
        if self.frames and self.head:
            self.chain += 0 if self.linked else 1
            self.found.append(
                _Found(self.head, "", self.frames[-MAX_FRAMES:], Weight.AFTERMATH, self.chain)
            )
        elif self.frames and self.found and not self.found[-1].frames:
            self.found[-1].frames = self.frames[-MAX_FRAMES:]
        self.frames, self.head = [], None
        self.inside = self.expects_code = False
        self.idle = 0


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _continues(before: str, line: str, depth: int, error: ErrorLine) -> bool:
    """Whether `line` goes on with the message whose last line is `before`."""
    if not error.message and error.exception is not None:
        return True
    if _indent(line) > depth and not error.inline:
        return True
    if _MARKUP.match(line) or _CJK.match(line.lstrip()):
        return False
    if not _SENTENCE_END.search(before) and (len(before) >= 40 or _SMALL.match(line)):
        return True
    return bool(before.endswith((",", "(", ":")) or _GOES_ON.match(line))


def _weight(error: ErrorLine, message: str) -> Weight:
    if error.exception is None:
        return Weight.UNTYPED
    first = message.split("\n", 1)[0]
    if _AFTERMATH.search(first) or _AFTERMATH_TYPES.search(error.exception):
        return Weight.AFTERMATH
    return Weight.MENTION if error.inline else Weight.CAUSE


def read_tracebacks(lines: Sequence[str]) -> tuple[tuple[ErrorReport, ...], list[LineKind]]:
    """The errors that `lines` report, most decisive first, and the kind of each line.

    The root of the last chain of exceptions comes first; what merely carries another error (a
    DataLoader worker's, a subprocess's) comes behind, warnings last.
    """
    reader = _Reader(lines)
    reader.read()
    return _reports(reader.found), reader.kinds


def _reports(found: list[_Found]) -> tuple[ErrorReport, ...]:
    # Within a chain the root stands first; of several chains the last one counts most.
    ordered = sorted(
        enumerate(found),
        key=lambda item: (item[1].weight, -item[1].chain, not item[1].inner, item[0]),
    )
    unique: dict[tuple[str | None, str], _Found] = {}
    for _, error in ordered:
        key = (error.exception, " ".join(error.message.split()))
        known = unique.setdefault(key, error)
        if not known.frames:
            known.frames = error.frames
    return tuple(_report(error) for error in list(unique.values())[:MAX_ERRORS])


def _report(error: _Found) -> ErrorReport:
    text = error.message if error.exception is None else f"{error.exception}: {error.message}"
    return ErrorReport(
        error.exception, error.message, tuple(error.frames), text.rstrip().rstrip(":").rstrip()
    )
