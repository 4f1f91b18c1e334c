"""Put the lines of a post together to the errors that it reports, the decisive one first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from knowledge import frames as kinds
from knowledge.frames import ErrorLine, Frame
from knowledge.messages import message_at
from knowledge.prefixes import Line
from knowledge.reports import (
    MAX_FRAMES,
    ErrorReport,
    Found,
    Weight,
    in_order,
    reports,
    was_handled,
    weigh,
)


class LineKind(StrEnum):
    """What a line of a post is, as far as tracebacks are concerned."""

    OTHER = "other"
    FENCE = "fence"
    TRACEBACK = "traceback"


_NESTED = re.compile(r"\bgot ([A-Z]\w{2,60}Error)\((['\"])(.{3,600}?)\2\)")
_ELISION = re.compile(
    r"^\s*(?:\.{3}|…|\[Previous line repeated|\[?\d+ (?:skipped |hidden )?frames?\b|\[\.\.\. )"
)
_MAX_IDLE = 12


@dataclass
class _Reader:
    """Reads the lines of one post from top to bottom.

    `linked` stands between a chain's marker and the next header; `handling` is set where that
    marker was "During handling of". `owner` is the error that frames behind it belong to.
    """

    lines: Sequence[Line]
    kinds: list[LineKind] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    root_rank: int | None = None
    inside: bool = False
    expects_code: bool = False
    innermost_first: bool = False
    head: str | None = None
    owner: Found | None = None
    chain: int = 0
    linked: bool = False
    handling: bool = False
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
        line = self.lines[place].text
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
        if kinds.is_rule(line) or kinds.is_native_frame(line) or kinds.is_launcher_line(line):
            self.kinds[place] = LineKind.TRACEBACK
            rank = kinds.root_rank([line.text for line in self.lines[place : place + 8]])
            self.root_rank = self.root_rank if rank is None else rank
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
        if self.idle > _MAX_IDLE:
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
        if "most recent call" in line:
            header = kinds.HEADER.search(line)
            if header:
                self._open(line, innermost_first=bool(header["first"]))
                return True
        if "exception" in line and kinds.CHAIN.search(line):
            self._close()
            self.linked = self.inside = True
            self.handling = "handling" in line
            return True
        frame = kinds.frame_of(line)
        if frame:
            self._add_frame(frame)
            return True
        arrow = kinds.ARROW.match(line) if self.inside else None
        arrow = arrow or kinds.PYTEST_ARROW.match(line)
        if arrow:
            self._arrow(arrow.groupdict())
            return True
        return self.inside and kinds.CARETS.match(line) is not None

    def _open(self, line: str, *, innermost_first: bool) -> None:
        """Begin a traceback at its header."""
        self._close()
        self.inside, self.head = True, kinds.notebook_header(line)
        self.innermost_first = innermost_first
        # A dying interpreter says what happened, and only then where.
        self.owner = self.found[-1] if innermost_first and self.found else None
        if not (self.linked or self.owner):
            self.chain += 1
        self.linked = False

    def _add_frame(self, frame: Frame) -> None:
        if not self.inside and not self.linked and not self.frames:
            self.chain += 1
        if self.frames and not self.frames[-1].file:  # pytest shows the code before the place
            frame = replace(frame, code=self.frames.pop().code)
        self.frames.append(frame)
        self.inside = True
        self.expects_code = not frame.code and not self.innermost_first

    def _arrow(self, groups: dict[str, str | None]) -> None:
        code = (groups.get("code") or "").strip()
        number = groups.get("line")
        if not self.frames or not number:
            self.frames.append(Frame("", None, "", ""))
        last = self.frames[-1]
        self.frames[-1] = replace(last, line=int(number) if number else last.line, code=code)
        self.inside, self.expects_code = True, False

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
        self._give_to_owner()
        message, end = message_at(self.lines, place, error)
        own = not error.inline and error.exception is not None
        frames = self._taken() if own or self.inside else []
        wraps = end < len(self.lines) and message.endswith(":")
        weight = weigh(error.exception, message, inline=error.inline)
        if wraps and weight is Weight.CAUSE and kinds.error_line(self.lines[end].text):
            weight = Weight.AFTERMATH
        if not (self.inside or self.linked or frames):
            self.chain += 1
        chain = 0 if weight is Weight.UNTYPED else self.chain
        origin = self.lines[place].origin
        added = Found(error.exception, message, frames, weight, chain, origin)
        if self.handling and own:
            self._settle(added)
        self.found.append(added)
        for nested in _NESTED.finditer(message):
            self.found.append(
                Found(nested[1], nested[3], frames, Weight.CAUSE, self.chain, origin, inner=True)
            )
        if not error.inline:
            self.head, self.inside, self.linked = None, False, False
            self.kinds[place:end] = [LineKind.TRACEBACK] * (end - place)
        self.expects_code, self.idle = False, 0
        return end - place

    def _settle(self, added: Found) -> None:
        """Judge whether the errors before `added` in its chain had been handled."""
        self.handling = False
        for error in self.found[-8:]:
            if error.chain == added.chain and error.weight is Weight.CAUSE:
                error.weight = Weight.HANDLED if was_handled(error, added) else error.weight

    def _add_warning(self, place: int, name: str, message: str) -> int:
        self.found.append(Found(name, message.strip(), [], Weight.WARNING, 0))
        self.kinds[place] = LineKind.TRACEBACK
        following = place + 1
        if following < len(self.lines) and self.lines[following].text.startswith("  "):
            self.kinds[following] = LineKind.TRACEBACK
            return 2
        return 1

    def _taken(self) -> list[Frame]:
        """The frames gathered so far, which thereby belong to an error."""
        frames = in_order(self.frames[-MAX_FRAMES:], innermost_first=self.innermost_first)
        self.frames, self.innermost_first = [], False
        return frames

    def _give_to_owner(self) -> None:
        if self.owner and self.frames and not self.owner.frames:
            self.owner.frames = self._taken()
        self.owner = None

    def _close(self) -> None:
        """End the current traceback; frames without an error line belong to the error before."""
        self._give_to_owner()
        if self.frames and self.head:
            self.chain += 0 if self.linked else 1
            frames = self._taken()
            self.found.append(Found(self.head, "", frames, Weight.AFTERMATH, self.chain))
        elif self.frames and self.found and not self.found[-1].frames:
            self.found[-1].frames = self._taken()
        self.frames, self.head, self.innermost_first = [], None, False
        self.inside = self.expects_code = False
        self.idle = 0


def read_tracebacks(lines: Sequence[Line]) -> tuple[tuple[ErrorReport, ...], list[LineKind]]:
    """The errors that `lines` report, most decisive first, and the kind of each line.

    The root of the last chain of exceptions comes first; what merely carries another error (a
    DataLoader worker's, a subprocess's) comes behind, warnings last.
    """
    reader = _Reader(lines)
    reader.read()
    return reports(reader.found, root_rank=reader.root_rank), reader.kinds
