"""What loggers, launchers, quotes and boxes put before every line, and who wrote which line.

Many forms are known (`_KNOWN`); any other is learned from the post itself: what stands before
"Traceback (most recent call last)" and before the frames below it is a prefix, with its numbers
free to change from line to line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOG: Final = "log"
"""The origin of a line that a logger wrote without naming a process."""


@dataclass(frozen=True)
class Line:
    """One line without what stood before it.

    `origin` names the process that wrote it (`rank0`, `worker-1`), is LOG behind a bare timestamp
    or level, and empty where nothing was taken off but quote marks. A `logged` line had a time.
    """

    text: str
    origin: str = ""
    logged: bool = False


_ROUNDS = 32
_KNOWN = re.compile(
    r"""(?x)
      \ {0,3}>(?!>|\ {7}\S)\ ?                               # > quoted, but not pytest's arrow
    | \ {0,3}>(?=>\ (?!>))\ ?                               # >> quoted twice, but not a >>> prompt
    | (?P<who>
          \[?(?:rank|default|local_rank|Rank)\s?\d{1,4}\]?:\s?   # [rank0]: of torchrun
        | \[\d{1,3},\d{1,4}\]<std(?:err|out)>:\s?               # [1,0]<stderr>: of mpirun
        | \([\w.]{1,60}\ pid=\d{1,9}(?:,\ ip=[\d.]{1,15})?\)\s? # (Worker pid=12) of ray
        | [A-Za-z][\w.]{0,40}-\d{1,4}\ {1,8}\|\ ?               # worker-1  | of compose
        | \d{1,3}:\ (?=Traceback|\ {2,}File\ "|\w{1,60}Error\b) # 0: of srun
      )
    | (?P<log>
          \[?\d{4}[-/]\d\d[-/]\d\d[T\ ,]\ ?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?   # a date and a time
          (?:\ ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]?\s?[:|-]?\s?
          (?:(?:ERROR|WARNING|CRITICAL|INFO|DEBUG|FATAL)(?:\s|$))?
        | \[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]\s?                # [10:22:33]
        | \[?[EWIF]\d{3,4}\ \d\d:\d\d:\d\d\.\d{1,9}\ (?:\ {0,4}\d{1,9}\ )?
          [\w./\\-]{1,200}:\d{1,6}\]\s?                       # of glog
        | \{[\w.]{1,60}:\d{1,6}\}\ (?:ERROR|WARNING|INFO|DEBUG)\ -\ ?        # of Airflow
        | \[?(?:ERROR|WARNING|CRITICAL|INFO|DEBUG|FATAL)\]?(?::[\w.]{1,60}:|\ ?[:|-]\ ?)
        | \d{1,7}\.\d{1,3}s\s{1,4}\d{1,7}(?:\s|$)               # 128.0s 206 of Kaggle
      )
    | \ {2,20}\|\ ?                                          # exception groups
    | [|]\ (?=Traceback|\ {2,}File\ "|[A-Za-z_.]{1,60}(?:Error|Exception)\b)
    """
)
_HINT = frozenset("> [({|0123456789EWIFCDrdlR\t")
_COMPOSE_HINT = re.compile(r"[A-Za-z][\w.]{0,40}-\d{1,4} {1,8}\|")
_KEEP_LEVEL = re.compile(
    r"\[?(?:ERROR|WARNING|CRITICAL|INFO|DEBUG|FATAL)\]?\s?:\s(?:Could not|No matching|pip)"
)
_PYTEST_MARK: Final = "E"
_PYTEST = re.compile(r"E {2,7}(?=\s*\S)")
_BAR = re.compile(r"[^|\n]{0,80}\d{1,3}%\|[^|\n]{0,200}\| ?[^\[\n]{0,40}\[[^\]\n]{0,120}\]")
_SIDES: Final = "│┃║"
_GUIDE = re.compile(f"[{_SIDES}]")

_ANCHOR = re.compile(
    r'Traceback \(most recent call last\)|(?: {2})?File "[^"\n]{1,300}", line \d', re.ASCII
)
_TOKEN = re.compile(r"\d+|[^\W\d_]+|\s+|.", re.DOTALL)
_LEVELS = frozenset(("ERROR", "WARNING", "WARN", "CRITICAL", "INFO", "DEBUG", "FATAL"))
_MAX_LEARNED = 8
_MAX_PREFIX = 160
_WHO = re.compile(
    r"[Rr]ank[ :=]{0,2}\d{1,5}|pid[ :=]{0,2}\d{1,9}|\[\d{1,4},\d{1,4}\]|^\d{1,4}(?=:)"
    r"|(?<![\w:.-])[A-Za-z](?:[\w./=-]{0,80}\w)?"
)
_TIME = re.compile(r"\d\d:\d\d|\d\.\d{1,3}s")
_TYPED = re.compile(r"\w(?:Error|Exception): ?\S")
_MAX_GAP = 3


def strip_prefixes(lines: Sequence[str]) -> list[Line]:
    """`lines` without the ranks, timestamps, quote marks and boxes around them."""
    prefixes = [_prefix(line) for line in lines]
    learned = _learned(lines, prefixes)
    marked = _marked(lines, prefixes)
    stripped = []
    in_locals = False
    for place, line in enumerate(lines):
        origin, logged = "", False
        if place in marked:
            line = line[marked[place] :]
        elif learned and (found := learned.match(line)):
            line, origin = line[found.end() :], _origin(found[0]) or LOG
            logged = _TIME.search(found[0]) is not None
        line, known, boxed = _bare(line)
        if boxed:
            in_locals, line = _without_locals(line, in_locals)
        else:
            in_locals = False
        stripped.append(Line(line, origin or known, logged or known == LOG))
    return stripped


def _learned(lines: Sequence[str], prefixes: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern for the prefixes that at least two lines of tracebacks share."""
    counts: Counter[str] = Counter()
    framed: set[str] = set()
    for line, prefix in zip(lines, prefixes, strict=True):
        if any(character.isalnum() for character in prefix):
            shape = _shape(prefix)
            counts[shape] += 1
            if 'File "' in line:  # before the header notebooks write the exception's type
                framed.add(shape)
    common = counts.most_common(_MAX_LEARNED)
    shapes = [shape for shape, count in common if count > 1 and shape in framed]
    return re.compile(rf"(?:{'|'.join(shapes)})(?:\s|$)?") if shapes else None


def _prefix(line: str) -> str:
    """What stands before a traceback's header or frame in `line`."""
    if "Traceback (m" not in line and 'File "' not in line:
        return ""
    found = _ANCHOR.search(line)
    prefix = line[: found.start()].rstrip() if found and found.start() <= _MAX_PREFIX else ""
    return "" if prefix == _PYTEST_MARK else prefix


def _shape(prefix: str) -> str:
    parts = []
    for token in _TOKEN.findall(prefix):
        if token.isdecimal():
            parts.append(r"\d{1,20}")
        elif token.isspace():
            parts.append(r"\s{1,20}")
        elif token.upper() in _LEVELS:
            parts.append(r"[A-Za-z]{4,8}")
        else:
            parts.append(re.escape(token))
    return "".join(parts)


def _marked(lines: Sequence[str], prefixes: Sequence[str]) -> dict[int, int]:
    """The lengths of the comment marks and bullets before the lines of tracebacks, by place.

    Unlike a logger's prefix such a mark is taken off the traceback's own lines alone: what follows
    may be code that is commented out. Messages know comments themselves.
    """
    marks: dict[int, int] = {}
    for place, prefix in enumerate(prefixes):
        if not prefix or place in marks or prefix.strip(" >") == "" or prefix.isalnum():
            continue
        if any(character.isalnum() or character in f"{_SIDES}'\"`+" for character in prefix):
            continue
        run = place
        while (
            run < len(lines)
            and lines[run].startswith(prefix)
            and not (run > place and _TYPED.search(lines[run]))
        ):
            marks[run] = len(prefix) + lines[run].startswith(prefix + " ")
            run += 1
        if run - place < 2:
            del marks[place]
    return marks


def _origin(prefix: str) -> str:
    """What in a prefix names its writer: words, ranks and process ids, but no times or levels."""
    return " ".join(word for word in _WHO.findall(prefix) if word.upper() not in _LEVELS)


def _bare(line: str) -> tuple[str, str, bool]:
    """`line` without known prefixes, its origin, and whether it stood in a box."""
    origin, boxed = "", False
    for _ in range(_ROUNDS):
        if not line:
            break
        if line.lstrip()[:1] in _SIDES and not line.isspace():
            line, boxed = _inside(line), True
            break
        if line[0] not in _HINT and not _COMPOSE_HINT.match(line):
            break
        found = None if _KEEP_LEVEL.match(line) else _KNOWN.match(line)
        if not found or found.end() == 0:
            break
        if found["who"]:
            origin = _origin(found[0]) or origin or LOG
        elif found["log"]:
            origin = origin or LOG
        line = line[found.end() :]
    if "%|" in line and (bar := _BAR.match(line)) and bar.end() < len(line):
        line = line[bar.end() :].lstrip()
    pytest = _PYTEST.match(line)
    return (line[pytest.end() :] if pytest else line), origin, boxed


def _inside(line: str) -> str:
    inside = line.strip()[1:]
    if inside[-1:] and inside[-1] in _SIDES:
        inside = inside[:-1]
    return inside.removeprefix(" ").rstrip()


def _without_locals(line: str, in_locals: bool) -> tuple[bool, str]:
    """Whether a box of local variables is open behind `line`, and `line` where it is no part."""
    start = line.lstrip()[:1]
    if start == "╭":
        return True, ""
    if in_locals:
        return start != "╰", ""
    return False, _GUIDE.sub(" ", line)


def untangle(lines: Sequence[Line]) -> list[Line]:
    """`lines` with those of each process together, where several processes wrote at once."""
    if all(line.origin in ("", LOG) for line in lines):
        return list(lines)
    sorted_out: list[Line] = []
    region: dict[str, list[Line]] = {}
    current, gap = "", 0
    for line in lines:
        outside = not line.origin or line.origin == LOG
        gap = gap + 1 if outside and line.text.strip() else 0
        if outside and (not region or gap > _MAX_GAP or _closes(line)):
            _pour(region, sorted_out)
            sorted_out.append(line)
            continue
        current = current if outside else line.origin
        region.setdefault(current, []).append(line)
    _pour(region, sorted_out)
    return sorted_out


def _closes(line: Line) -> bool:
    return "```" in line.text or _ANCHOR.search(line.text) is not None


def _pour(region: dict[str, list[Line]], into: list[Line]) -> None:
    for group in region.values():
        into.extend(group)
    region.clear()
