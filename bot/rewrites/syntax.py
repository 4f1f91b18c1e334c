"""Rewrites of code that Python cannot read, by its text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, rewrite

_HEAD = re.compile(r"\s*(?:if|elif|else|for|while|def|class|with|async)\b.*[^\s:,(\[{\\]\s*(#.*)?")

_PRINT = re.compile(r"(?m)^([ \t]*)print (?![=(])([^#\n]*[^#\s])([ \t]*(?:#.*)?)$")


def _line(case: Case) -> tuple[list[str], int] | None:
    """The lines of the code and the place of the one that the message names."""
    lines = case.code.split("\n")
    at = case.fault.line
    found = re.search(r"line (\d+)", case.message)
    at = at or (int(found[1]) if found else None)
    if at is None or not 1 <= at <= len(lines):
        return None
    return lines, at - 1


@rewrite("add-colon", "python-syntax", grades=SURE)
def add_colon(case: Case) -> Iterator[Proposal]:
    """Ends the head of a block with the colon that it lacks."""
    place = _line(case)
    if place is None or "expected ':'" not in case.message:
        return
    lines, at = place
    bare, hash_sign, comment = lines[at].partition("#")
    if _HEAD.fullmatch(lines[at]):
        lines[at] = f"{bare.rstrip()}:" + (f"  #{comment}" if hash_sign else "")
        yield Proposal("\n".join(lines), Grade.SURE, {"line": at + 1})


@rewrite("close-bracket", "python-syntax", grades=LIKELY)
def close_bracket(case: Case) -> Iterator[Proposal]:
    """Closes a bracket that was never closed, at the end of its line."""
    place = _line(case)
    found = re.search(r"'([(\[{])' was never closed", case.message)
    if place is None or found is None:
        return
    lines, at = place
    bare, hash_sign, comment = lines[at].partition("#")
    closing = {"(": ")", "[": "]", "{": "}"}[found[1]]
    stripped = bare.rstrip()
    colon = stripped.endswith(":")
    stripped = f"{stripped[:-1]}{closing}:" if colon else stripped + closing
    lines[at] = stripped + (f"  #{comment}" if hash_sign else "")
    yield Proposal("\n".join(lines), Grade.LIKELY, {"line": at + 1})


@rewrite("compare-with-two", "python-syntax", grades=SURE)
def compare_with_two(case: Case) -> Iterator[Proposal]:
    """Compares with ==, where a single = stands in a condition."""
    place = _line(case)
    if place is None or "Maybe you meant '=='" not in case.message:
        return
    lines, at = place
    new = re.sub(r"(?<![=!<>+\-*/:])=(?!=)", "==", lines[at], count=1)
    lines[at] = new
    yield Proposal("\n".join(lines), Grade.SURE, {"line": at + 1})


@rewrite("spaces-for-tabs", "python-syntax", grades=SURE)
def spaces_for_tabs(case: Case) -> Iterator[Proposal]:
    """Indents with spaces alone, where tabs are mixed in."""
    if "\t" in case.code and ("tab" in case.message.lower() or "indent" in case.message.lower()):
        for width in (4, 8):
            lines = [line.expandtabs(width) for line in case.code.split("\n")]
            yield Proposal("\n".join(lines), Grade.SURE, {})


@rewrite("print-as-function", "python-syntax", grades=SURE)
def print_as_function(case: Case) -> Iterator[Proposal]:
    """Calls print with parentheses, as Python 3 wants."""
    if "parentheses in call to 'print'" not in case.message:
        return
    code = _PRINT.sub(r"\1print(\2)\3", case.code)
    yield Proposal(code, Grade.SURE, {})
