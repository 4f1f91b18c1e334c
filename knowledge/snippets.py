"""Find the code in a post: fenced blocks, prompts and unfenced runs of code lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from knowledge.frames import FENCE
from knowledge.tracebacks import LineKind

_PYTHON_NAMES = frozenset({"python", "py", "python3", "ipython", "pycon"})
_STATEMENT = re.compile(
    r"^\s*(?:"
    r"(?:import|from)\s+[\w.]+(?:\s+import\b.*|\s+as\s+\w+|\s*,.*)?\s*$"
    r"|(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[(:]|@[\w.]+(?:\(.*\))?\s*$"
    r"|(?:for|while|if|elif|with|except|match|case)\b.*:\s*(?:#.*)?$|(?:else|try|finally)\s*:"
    r"|(?:return|yield|raise|assert|del|global)\b(?!\s+(?:the|a|an|to|from)\b)"
    r"|(?:pass|break|continue)\s*(?:#.*)?$"
    r"|[A-Za-z_][\w.]*(?:\[[^\]\n]{0,200}\])?(?:\s*,\s*[A-Za-z_*][\w.]*){0,12}"
    r"\s*(?::\s*[\w.\[\], |]{1,60})?"
    r"\s*(?:[-+*/%@|&^]|//|\*\*|<<|>>)?=(?!=)\s*\S"
    r"|[A-Za-z_][\w.]*(?:\[[^\]\n]{0,200}\])?\([^\n]*\)\s*(?:#.*)?$"
    r"|[A-Za-z_][\w.]*\([^)\n]*,?\s*$"
    r")"
)
_WITHIN = re.compile(
    r"^\s+\S.*[()\[\]{}=,:]\s*(?:#.*)?$|^\s*[)\]}]+[,:)]*\s*(?:#.*)?$|^\s+[\w.\"']+,\s*$"
)
_COMMENT = re.compile(r"^\s*#(?!#)")
_PROMPT = re.compile(r"^\s*(?:>>> ?|In ?\[\d*\]: ?)")
_GOING_ON = re.compile(r"^\s*(?:\.\.\.(?: |$)|\s*\.\.\.: ?)")
_PRINTED = re.compile(r"^\s*Out ?\[\d*\]:")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass
class _Split:
    """Code blocks and prose lines, growing line by line."""

    code: list[list[str]] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)
    open: bool = False

    def add_code(self, line: str) -> None:
        """Append `line` to the current block, or begin one."""
        if not self.open:
            self.code.append([])
            self.open = True
        self.code[-1].append(line)

    def add_prose(self, line: str) -> None:
        """Append `line` to the prose and end the current block."""
        self.open = False
        self.prose.append(line)

    def close(self) -> None:
        """End the current block."""
        self.open = False


def split_code(lines: Sequence[str], kinds: Sequence[LineKind]) -> tuple[tuple[str, ...], str]:
    """The code blocks of a post (tracebacks left out) and its prose."""
    split = _Split()
    place = 0
    while place < len(lines):
        if kinds[place] is LineKind.FENCE:
            end = place + 1
            while end < len(lines) and kinds[end] is not LineKind.FENCE:
                end += 1
            found = FENCE.match(lines[place])
            _fenced(split, lines, kinds, range(place + 1, end), found["language"] if found else "")
            place = end + 1
            continue
        end = place
        while end < len(lines) and kinds[end] is not LineKind.FENCE:
            end += 1
        _plain(split, lines, kinds, range(place, end))
        place = end
    blocks = ("\n".join(block).strip("\n") for block in split.code)
    return tuple(block for block in blocks if block.strip()), "\n".join(split.prose).strip()


def _fenced(
    split: _Split, lines: Sequence[str], kinds: Sequence[LineKind], places: range, language: str
) -> None:
    split.close()
    inside = [lines[place] for place in places if kinds[place] is not LineKind.TRACEBACK]
    broken = len(inside) < len(places)
    if any(_PROMPT.match(line) for line in inside):
        _prompted(split, inside)
    elif language.lower() in _PYTHON_NAMES or _code_share(inside) >= 0.5:
        for line in inside:
            split.add_code(line)
    elif not broken:
        for line in inside:
            split.add_prose(line)
    split.close()


def _prompted(split: _Split, inside: list[str]) -> None:
    """Take what was typed at the prompts; what was printed is neither code nor prose."""
    for line in inside:
        found = _PROMPT.match(line) or (_GOING_ON.match(line) if split.open else None)
        if found:
            split.add_code(line[found.end() :])


def _code_share(lines: list[str]) -> float:
    filled = [line for line in lines if line.strip() and not _COMMENT.match(line)]
    if not filled:
        return 0.0
    return sum(_is_code(line) or _is_within(line) for line in filled) / len(filled)


def _squeezed(line: str) -> str:
    """`line` with every run of blanks as one: long runs would make the patterns slow."""
    return (" " if line[:1].isspace() else "") + " ".join(line.split())


def _is_within(line: str) -> bool:
    """Whether `line` looks like the inner line of a statement, a call's arguments for instance."""
    return _WITHIN.match(_squeezed(line)) is not None


def _is_code(line: str) -> bool:
    if not _STATEMENT.match(_squeezed(line)):
        return False
    # "loss = 0.3になります。" is a sentence; a CJK comment or string behind code is not.
    bare = line.split("#", 1)[0].split('"', 1)[0].split("'", 1)[0]
    return not _CJK.search(bare)


def _plain(split: _Split, lines: Sequence[str], kinds: Sequence[LineKind], places: range) -> None:
    for place in places:
        line = lines[place]
        if kinds[place] is LineKind.TRACEBACK:
            split.close()
            continue
        prompt = _PROMPT.match(line) or (_GOING_ON.match(line) if split.open else None)
        if prompt:
            split.add_code(line[prompt.end() :])
        elif _PRINTED.match(line):
            split.close()
        elif not line.strip():
            if split.open:
                split.add_code("")
            else:
                split.add_prose("")
        elif _belongs_to_code(split, lines, kinds, place, places):
            split.add_code(line)
        else:
            split.add_prose(line)
    split.close()


def _belongs_to_code(
    split: _Split, lines: Sequence[str], kinds: Sequence[LineKind], place: int, places: range
) -> bool:
    line = lines[place]
    if _is_code(line) or (split.open and _is_within(line)):
        return True
    return bool(_COMMENT.match(line)) and _beside_code(split, lines, kinds, place, places)


def _beside_code(
    split: _Split, lines: Sequence[str], kinds: Sequence[LineKind], place: int, places: range
) -> bool:
    """Whether a line that starts with `#` is a comment of code beside it, not a heading."""
    if lines[place][0] in " \t":
        return True
    if split.open and split.code[-1][-1].strip():
        return True
    following = range(place + 1, min(place + 4, places.stop))
    for other in following:
        if kinds[other] is LineKind.TRACEBACK or not lines[other].strip():
            return False
        if not _COMMENT.match(lines[other]):
            return _is_code(lines[other])
    return False
