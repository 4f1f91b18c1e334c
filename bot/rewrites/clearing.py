"""Rewrites of gradients that are cleared before there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from bot.rewrites.case import Case, Grade, Proposal, guess, rewrite, sure
from bot.rewrites.source import Statement, called


@rewrite("guard-gradient", "grad-is-none", grades=(Grade.SURE, Grade.GUESS))
def guard_gradient(case: Case) -> Iterator[Proposal]:
    """Clears each gradient only where there is one: before the first backward there is none."""
    cleared = _cleared(case)
    edit = case.edit()
    for line, grad in cleared:
        edit.wrap(line, f"if {case.text(grad)} is not None:")
    if cleared:
        yield _first_clearing(case)(edit, what=case.text(cleared[0][1]), number=len(cleared))


@rewrite("clear-gradient", "grad-is-none", grades=(Grade.SURE, Grade.GUESS))
def clear_gradient(case: Case) -> Iterator[Proposal]:
    """Clears each gradient by setting it to None, which needs none to be there."""
    cleared = _cleared(case)
    edit = case.edit()
    for line, grad in cleared:
        edit.instead(line, f"{case.text(grad)} = None")
    if cleared:
        yield _first_clearing(case)(edit, what=case.text(cleared[0][1]))


def _cleared(case: Case) -> list[tuple[Statement, cst.Attribute]]:
    """The lines `w.grad.zero_()` of the code with their gradients; none if none of them failed."""
    if not case.failing_calls("zero_"):
        return []
    found: list[tuple[Statement, cst.Attribute]] = []
    for line in case.source.statements:
        small = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        call = small.value if isinstance(small, cst.Expr) else None
        if not isinstance(call, cst.Call) or called(call) != "zero_" or len(line.body) != 1:  # type: ignore[arg-type]
            continue
        grad = call.func.value if isinstance(call.func, cst.Attribute) else None
        while isinstance(grad, cst.Attribute) and grad.attr.value == "data":
            grad = grad.value
        if (
            isinstance(grad, cst.Attribute)
            and grad.attr.value == "grad"
            and not _guarded(case, line)
        ):
            found.append((line, grad))
    return found


def _guarded(case: Case, line: Statement) -> bool:
    above = case.source.enclosing(line, cst.If)
    return above is not None and ".grad" in case.text(above.test)


def _first_clearing(case: Case) -> Callable[..., Proposal]:
    """The grade: a gradient that is None although backward has run is a fault of its own."""
    if case.statement is None:
        return guess
    here = case.source.line(case.statement)
    lines = [case.source.line(c) for c in case.source.calls if called(c) == "backward"]
    loop = case.source.enclosing(case.statement, cst.For | cst.While)  # type: ignore[arg-type]
    before = [line for line in lines if line < here]
    inside = loop is not None and any(line > case.source.line(loop) for line in before)
    return guess if not lines or inside or (loop is None and before) else sure
