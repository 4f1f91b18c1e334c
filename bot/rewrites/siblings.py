"""The same mistake on several lines: an edit of one line carried over to those like it."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Iterator

_SPACE = frozenset(
    {tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT}
)


def alike(before: str, after: str) -> Iterator[str]:
    """The edited code with the edit made on more lines, the surest first.

    First on every line that is written in the same way. Then, too, on the lines that differ in
    the names of variables alone. Nothing for an edit of more than one line.
    """
    old, new = before.split("\n"), after.split("\n")
    if len(old) != len(new):
        return
    changed = [at for at, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]
    if len(changed) != 1:
        return
    (at,) = changed
    tokens, edited = _tokens(old[at]), _tokens(new[at])
    if tokens is None or edited is None or len(tokens) < 4:
        return
    same, similar = list(new), list(new)
    for line, text in enumerate(old):
        if line == at or not text.strip() or text.lstrip().startswith(("#", "def ", "class ")):
            continue
        indent = text[: len(text) - len(text.lstrip())]
        if text.strip() == old[at].strip():
            same[line] = similar[line] = indent + new[at].strip()
            continue
        names = _match(tokens, _tokens(text))
        if names is not None:
            similar[line] = indent + _renamed(new[at].strip(), names)
    for found in (same, similar):
        if found != new:
            yield "\n".join(found)


def is_same(before: str, after: str, more: str) -> bool:
    """Whether an edit with more lines only adds lines that are written in the same way."""
    old, one, all_ = before.split("\n"), after.split("\n"), more.split("\n")
    first = [text.strip() for text, new in zip(old, one, strict=True) if text != new]
    return all(text.strip() in first for text, new in zip(old, all_, strict=True) if text != new)


def _tokens(line: str) -> list[tokenize.TokenInfo] | None:
    """The tokens of one line, without space; None when it is no whole line of Python."""
    try:
        found = list(tokenize.generate_tokens(io.StringIO(line.strip()).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    return [one for one in found if one.type not in _SPACE and one.type != tokenize.COMMENT]


def _match(
    one: list[tokenize.TokenInfo], other: list[tokenize.TokenInfo] | None
) -> dict[str, str] | None:
    """The names of one line with those in their place in another; None if more differs."""
    if other is None or len(one) != len(other):
        return None
    names: dict[str, str] = {}
    for at, (mine, theirs) in enumerate(zip(one, other, strict=True)):
        if mine.type != theirs.type:
            return None
        if mine.string == theirs.string and not _is_variable(one, at):
            continue
        if not (_is_variable(one, at) and _is_variable(other, at)):
            return None
        if names.setdefault(mine.string, theirs.string) != theirs.string:
            return None
    return names


def _is_variable(tokens: list[tokenize.TokenInfo], at: int) -> bool:
    """Whether a token names a variable: no attribute, function, keyword or keyword argument."""
    token = tokens[at]
    if token.type != tokenize.NAME or keyword.iskeyword(token.string):
        return False
    follows = tokens[at + 1].string if at + 1 < len(tokens) else ""
    within = sum({"(": 1, ")": -1}.get(one.string, 0) for one in tokens[:at])
    before = tokens[at - 1].string if at > 0 else ""
    return before != "." and follows != "(" and not (follows == "=" and within > 0)


def _renamed(line: str, names: dict[str, str]) -> str:
    tokens = _tokens(line) or []
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if _is_variable(tokens, at) and token.string in names:
            line = line[: token.start[1]] + names[token.string] + line[token.end[1] :]
    return line
