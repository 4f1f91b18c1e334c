"""Recognise single lines of tracebacks: headers, frames, arrows, error lines, warnings.

One function or pattern per kind of line; putting lines together is `knowledge.tracebacks`' job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from knowledge.clean import narrowed


@dataclass(frozen=True)
class Frame:
    """One call in a traceback. `function` and `code` are empty where the text does not say them."""

    file: str
    line: int | None
    function: str
    code: str


@dataclass(frozen=True)
class ErrorLine:
    """An exception's type and the first line of its message, and where in the line they begin."""

    exception: str | None
    message: str
    start: int
    inline: bool
    """True when words stand before it, as in "I get RuntimeError: ..."."""


HEADER = re.compile(
    r"(?:(?:Traceback|Stack trace|トレースバック)\s?|(?:Current thread|Thread) 0x[0-9a-fA-F]{1,16}"
    r"(?: \[[^\]\n]{0,60}\])? )\(most recent call (?:last|(?P<first>first))\)"
)
ORIGINAL = re.compile(r"Original Traceback \(most recent call last\)")
CHAIN = re.compile(
    r"During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception"
)
CARETS = re.compile(r"^\s*[\^~][\^~\s]*$")
FENCE = re.compile(r"^\s{0,8}(?:[-*]\s+)?(?P<mark>`{3,}|~{3,})\s*(?P<language>[\w+#-]*)[^`]*$")
_NATIVE = re.compile(r"^\s*frame #\d{1,4}: ")
_LAUNCHER = re.compile(
    r"^\s*(?:(?:time|host|rank|exitcode|error_file|traceback)\s{0,12}: .*|Failures:|\[\d{1,5}\]:"
    r"|Root Cause \(first observed failure\):|<NO_OTHER_FAILURES>|[\w./-]{1,80} FAILED)$"
)
_ROOT_CAUSE = re.compile(r"^\s*Root Cause \(first observed failure\)")
_ROOT_RANK = re.compile(r"^\s*rank\s{0,12}: (\d{1,5})\b")
_TITLED_RULE = re.compile(
    r"^(?:={3,} .{1,120} ={3,}|_{3,} .{1,120} _{3,}|\+[-+]{1,9}-{3,} (?:\d{1,4}|\.{3}) -{3,})$"
)
_RULE: Final = frozenset("-=_*+─━╭╮╰╯┌┐└┘ ")
BOX_TOP = re.compile(r"^\s*[╭╰┌└]")

_FUNCTION = r"(?P<function>[\w<>.]{1,120}(?: [\w>]{1,30}){0,2})"
_FRAMES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # File "x.py", line 3, in f       File "x.py", line 3 in f     (faulthandler)
        r"\s*File [\"'](?P<file>[^\"'\n]{1,400})[\"'],? line (?P<line>\d{1,9})"
        r"(?:,? in (?P<function>[\w<>.: ()]{1,160}))?",
        # File ~/x.py:12, in f(a, b)      (IPython 8)
        r"\s*File (?P<file>\S[^\n]{0,400}?):(?P<line>\d{1,9})(?:, in " + _FUNCTION + r".*)?\s*$",
        # Cell In[3], line 5, in f(a)     Input In [3], in <cell line: 5>()
        r"\s*(?P<file>(?:Cell )?(?:In|Input In) ?\[\d{1,6}\])"
        r"(?:, line (?P<line>\d{1,9}))?(?:, in " + _FUNCTION + r".*)?\s*$",
        # /usr/lib/x.py in f(a, b)        <ipython-input-3-abc> in <module>
        r"\s*(?P<file><ipython-input-[^>\n]{1,60}>|[~/.\w][^\n\"]{0,300}?\.(?:py|pyx|pyi|ipynb))"
        r" in (?P<function><[\w :]{1,40}>|[\w.]{1,120})(?:\(.*\)?)?:?\s*$",
        # /app/x.py:12 in f               (rich)
        r"\s*(?P<file>[~/.\w][^\n\"]{0,300}?):(?P<line>\d{1,9})"
        r" in (?P<function><?[\w.]{1,120}>?)\s*$",
        # model.py:12: in forward         model.py:12: RuntimeError       (pytest)
        r"(?P<file>[\w~/.\\:-]{1,300}\.py):(?P<line>\d{1,9}):(?: in (?P<function>[\w<>.]{1,120})"
        r"| [A-Z]\w{1,60}(?:Error|Exception))?\s*$",
        # .../sa_score.py", line 212, in load_fragments     (cut off at the left)
        r"\s*(?P<file>[\w~/.\\:-]{1,300}\.py)[\"'], line (?P<line>\d{1,9})"
        r"(?:, in (?P<function>[\w<>.]{1,120}))?",
    )
)
_FRAME_HINT = re.compile(r"File |In ?\[|<ipython-input| in |\.py", re.ASCII)
ARROW = re.compile(r"^\s*(?:-{1,}>|❱|>)\s*(?P<line>\d{1,7})(?:\s(?P<code>.*))?$")
CONTEXT = re.compile(r"^\s*\d{1,7}(?:\s.*)?$")
PYTEST_ARROW = re.compile(r"^> {3,}(?P<code>\S.*)$")

_BUILTIN = (
    r"(?:Base)?ExceptionGroup|(?<![^\s|])Exception(?=:)|KeyboardInterrupt|StopIteration|StopAsyncIteration|SystemExit|GeneratorExit|"
    r"(?:[A-Za-z_]\w{0,60}\.){1,8}(?:Unsupported|OutOfMemory|BackendCompilerFailed|UserError|"
    r"NonRecursiveBugIntroduced|Timeout|Empty|GraphBreak|FailedToRecord|RemoteTraceback|"
    r"TimeoutExpired|ProcessExited|ReplicaDied)|BackendCompilerFailed|RemoteTraceback"
)
_TYPE = (
    r"(?<![\w.])(?P<type>(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}"
    r"(?:Error|Exception|ErrorGroup|ExceptionGroup|Failure|Failed)|" + _BUILTIN + r"|"
    r"(?:[A-Za-z_]\w{0,60}\.){0,8}(?:exceptions?|errors?|exc|\w{0,40}_state)\.[A-Z]\w{1,60})"
)
_TYPED = re.compile(_TYPE + r"(?P<colon>\**`?\s?[:：]|(?=\s*$))(?P<message>.*)$", re.ASCII)
_TYPED_HINT = re.compile(
    r"Error|Exception|Failed|Failure|Unsupported|Stop|Exit|Interrupt|Remote|OutOf|Time|Bug|Died|Break"
    r"|exceptions?\.|errors?\.|exc\.|_state\."
)
_NOTEBOOK_HEADER = re.compile(r"^\s*(?P<type>[A-Za-z_][\w.]{2,100})\s+Traceback \(most recent call")
_CODE_BEFORE = re.compile(
    r"(?:\b(?:except|class)\b[\s(\w.,]{0,80}|[(=]\s{0,4}[rf]{0,2}[\"'])$", re.ASCII
)
_JUNK = re.compile(r"^[\s>#*\-•·|/\\`\"'(\[\]%;!~:：=>→「『【“❌⚠️🐛🔴❗️‼\d.)+]*$")
_LABEL = re.compile(r"^\s*[^\s:：]{1,24}(?: [^\s:：]{1,16}){0,3}\s?[:：]\**\s*[`\"'*]*$")
_UNTYPED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<message>(?:ERROR|Error|error|FATAL|fatal|Fatal Python error|npm ERR!|docker)"
        r"\s?: \S.*)$",
        r"what\(\):\s{1,4}(?P<message>\S.*)$",
        r"(?P<message>OMP: Error #\d{1,4}\b.*)$",
        r"(?P<message>.{0,300}Assertion `.{1,200}` failed.*)$",
        r"(?P<message>(?:CUDA error|CUDA out of memory|cuDNN error|NCCL error|NCCL WARN)\b.*)$",
        r"(?P<message>\S{0,80}:? ?cannot open shared object file: .*)$",
        r"(?P<message>(?:Segmentation fault|Bus error|Killed|Illegal instruction)\b.{0,60})$",
    )
)
_UNTYPED_HINT = re.compile(
    r"rror|ERR|FATAL|atal|what\(\)|Assert|CUDA|NCCL|cuDNN|shared object|Kill|fault|instr|docker"
)
_NAME_BACKWARDS = re.compile(r"[\w.]{1,200}", re.ASCII)
_RECENT: Final = 16
"""Lines are asked about twice at least: what a message goes on with, then for themselves."""


@lru_cache(maxsize=_RECENT)
def frame_of(line: str) -> Frame | None:
    """The frame that `line` names, without its code, or None."""
    if not _FRAME_HINT.search(line):
        return None
    for pattern in _FRAMES:
        found = pattern.match(line)
        if found:
            groups = found.groupdict()
            number = groups.get("line")
            function = (groups.get("function") or "").split("(")[0].strip()
            return Frame(found["file"].strip(), int(number) if number else None, function, "")
    return None


def is_rule(line: str) -> bool:
    """Whether `line` is drawn with dashes or the like, a title between such lines included."""
    drawn = line.strip()
    if len(drawn) < 10 or drawn[0] not in _RULE:
        return False
    return _RULE.issuperset(drawn) or _TITLED_RULE.match(drawn) is not None


def is_native_frame(line: str) -> bool:
    """Whether `line` is a frame of a C++ stack trace, which tells a learner nothing."""
    return "frame #" in line and _NATIVE.match(line) is not None


def is_launcher_line(line: str) -> bool:
    """Whether `line` belongs to the table of failed processes that torch.distributed prints."""
    return _LAUNCHER.match(line) is not None


def root_rank(lines: Sequence[str]) -> int | None:
    """The rank that torch.distributed names as the root cause in `lines`, its table, or None."""
    if not lines or not _ROOT_CAUSE.match(lines[0]):
        return None
    found = next((found for line in lines[1:8] if (found := _ROOT_RANK.match(line))), None)
    return int(found[1]) if found else None


def notebook_header(line: str) -> str | None:
    """The exception type that IPython writes before "Traceback (most recent call last)"."""
    found = _NOTEBOOK_HEADER.match(line)
    if not found or found["type"] in ("Original", "File"):
        return None
    return found["type"]


@lru_cache(maxsize=_RECENT)
def error_line(line: str) -> ErrorLine | None:
    """The exception that `line` reports, or None when it reports none.

    A type that is only raised, caught or quoted in code does not count.
    """
    if _TYPED_HINT.search(line):
        for found in _TYPED.finditer(line):
            before = line[: found.start()]
            if _CODE_BEFORE.search(before):
                continue
            bare = not found["colon"]
            inline = not (_JUNK.match(before) or _LABEL.match(before))
            if bare and (inline or before.strip(" \t#>*`-|")):
                continue
            message = _closed(found["message"], before)
            return ErrorLine(found["type"], message, found.start(), inline)
    return _untyped(line)


def _untyped(line: str) -> ErrorLine | None:
    if not _UNTYPED_HINT.search(line):
        return None
    stripped = line.lstrip(" \t>#*-|`\"'")
    for pattern in _UNTYPED:
        found = pattern.match(stripped)
        if found:
            start = len(line) - len(stripped)
            return ErrorLine(None, _closed(found["message"], line[:start]), start, False)
    return None


def warning_line(line: str) -> tuple[str, str] | None:
    """Type and message of a warning that Python printed, or None."""
    end = line.find("Warning: ")
    message = line[end + len("Warning: ") :].strip()
    if end < 0 or not message:
        return None
    before = _NAME_BACKWARDS.match(line[:end][::-1])
    return (before[0][::-1] if before else "").lstrip(".0123456789") + "Warning", message


def _closed(message: str, before: str) -> str:
    """`message` up to the mark that closes what was opened before it: a back-tick, bold, a cell."""
    message = narrowed(message.strip())
    if before.lstrip().startswith("|") and " | " in message:
        message = message.split(" | ", 1)[0].rstrip()
    if before.endswith("`"):
        end = _closing_tick(message)
        message = message if end is None else message[:end]
    if before.endswith('"') and '"' in message:
        message = message[: message.rindex('"')]
    return message.replace("**", "").strip().rstrip("`").rstrip()


def _closing_tick(message: str) -> int | None:
    depth = 0
    for place, character in enumerate(message):
        if character != "`":
            continue
        before, after = message[place - 1 : place], message[place + 1 : place + 2]
        if (not before or before in " (") and after and after != " ":
            depth += 1
        elif depth:
            depth -= 1
        else:
            return place
    return None
