"""Recognise single lines of tracebacks: headers, frames, arrows, error lines, warnings.

One function or pattern per kind of line; putting lines together is `knowledge.tracebacks`' job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


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
    r"(?:Traceback|Stack trace|トレースバック)\s?\(most recent call (?:last|first)\)"
)
ORIGINAL = re.compile(r"Original Traceback \(most recent call last\)")
CHAIN = re.compile(
    r"During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception"
)
CARETS = re.compile(r"^\s*[\^~][\^~\s]*$")
FENCE = re.compile(r"^\s{0,8}(?:[-*]\s+)?(?P<mark>`{3,}|~{3,})\s*(?P<language>[\w+#-]*)[^`]*$")
_RULE: Final = frozenset("-=_*+─━╭╮╰╯┌┐└┘ ")
BOX_TOP = re.compile(r"^\s*[╭╰┌└]")

_FUNCTION = r"(?P<function>[\w<>.]{1,120}(?: [\w>]{1,30}){0,2})"
_FRAMES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # File "x.py", line 3, in f
        r"\s*File [\"'](?P<file>[^\"'\n]{1,400})[\"'],? line (?P<line>\d{1,9})"
        r"(?:, in (?P<function>[\w<>.: ()]{1,160}))?",
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
        r"(?P<file>[\w~/.\\:-]{1,300}\.py):(?P<line>\d{1,9}): (?:in (?P<function>[\w<>.]{1,120})"
        r"|[A-Z]\w{1,60}(?:Error|Exception))?\s*$",
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
    r"KeyboardInterrupt|StopIteration|StopAsyncIteration|SystemExit|GeneratorExit|"
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
        r"(?P<message>OMP: Error #\d{1,4}\b.*)$",
        r"(?P<message>.{0,300}Assertion `.{1,200}` failed.*)$",
        r"(?P<message>(?:CUDA error|CUDA out of memory|cuDNN error|NCCL error|NCCL WARN)\b.*)$",
        r"(?P<message>\S{0,80}:? ?cannot open shared object file: .*)$",
        r"(?P<message>(?:Segmentation fault|Bus error|Killed|Illegal instruction)\b.{0,60})$",
    )
)
_UNTYPED_HINT = re.compile(
    r"rror|ERR|FATAL|atal|Assert|CUDA|NCCL|cuDNN|shared object|Kill|fault|instr|docker"
)
WARNING = re.compile(
    r"(?P<where>[\w~/.\\:<> ()-]{0,300}?:\d{1,7}: )?"
    r"(?P<type>(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Z]?\w{0,60}Warning): (?P<message>\S.*)$"
)


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
    """Whether `line` is nothing but a line drawn with dashes or the like."""
    drawn = line.strip()
    return len(drawn) >= 10 and _RULE.issuperset(drawn)


def notebook_header(line: str) -> str | None:
    """The exception type that IPython writes before "Traceback (most recent call last)"."""
    found = _NOTEBOOK_HEADER.match(line)
    if not found or found["type"] in ("Original", "File"):
        return None
    return found["type"]


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
    if "Warning: " not in line:
        return None
    found = WARNING.search(line)
    return (found["type"], found["message"]) if found else None


def _closed(message: str, before: str) -> str:
    """`message` up to the mark that closes what was opened before it: a back-tick, bold, a cell."""
    message = message.strip()
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
