"""Rewrites of what changes tensors in place that autograd still needs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Final

import libcst as cst

from bot.rewrites.case import (
    LIKELY,
    SURE,
    Case,
    Grade,
    Proposal,
    guess,
    likely,
    rewrite,
    sure,
)
from bot.rewrites.layers import argument, without_argument
from bot.rewrites.source import Statement, called, dotted, find

_SIGNS: Final[dict[type[cst.BaseAugOp], str]] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.DivideAssign: "/",
    cst.PowerAssign: "**",
    cst.MatrixMultiplyAssign: "@",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
}


_OPERATORS: Final = {"add_": "+", "sub_": "-", "mul_": "*", "div_": "/"}


def _out_of_place(case: Case, statement: Statement) -> str | None:
    """The statement without change in place; None where it makes none."""
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    small = statement.body[0]
    if isinstance(small, cst.AugAssign) and type(small.operator) in _SIGNS:
        target, sign = case.text(small.target), _SIGNS[type(small.operator)]
        value = case.text(small.value)
        if isinstance(small.value, cst.BinaryOperation | cst.IfExp) and not small.value.lpar:
            value = f"({value})"
        if isinstance(small.target, cst.Subscript):
            base = case.text(small.target.value)
            return f"{base} = {base}.clone()\n{target} = {target} {sign} {value}"
        return f"{target} = {target} {sign} {value}"
    if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Subscript):
        base = case.text(small.targets[0].target.value)
        return f"{base} = {base}.clone()\n{case.text(small)}"
    if isinstance(small, cst.Expr) and isinstance(small.value, cst.Call):
        call = small.value
        name = called(call)
        if isinstance(call.func, cst.Attribute) and name.endswith("_") and not name.startswith("_"):
            base = case.text(call.func.value)
            if name in _OPERATORS and len(call.args) == 1:
                return f"{base} = {base} {_OPERATORS[name]} {case.atom(call.args[0].value)}"
            if name == "zero_":
                return None
            args = ", ".join(case.text(arg).rstrip(", ") for arg in call.args)
            return f"{base} = {base}.{name[:-1]}({args})"
    return None


@rewrite(
    "out-of-place",
    "inplace-modified",
    "view-inplace-autograd",
    "result-type-cast",
    "leaf-inplace",
    "broadcast-size-mismatch",
    "inference-tensor",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def out_of_place(case: Case) -> Iterator[Proposal]:
    """Makes a new tensor in place of changing one that is still needed."""
    if case.slug == "broadcast-size-mismatch" and "output with shape" not in case.message:
        return
    if case.slug != "inplace-modified":
        text = _out_of_place(case, case.statement) if case.statement is not None else None
        if text is not None and case.statement is not None:
            grade = sure
            if case.slug == "leaf-inplace":
                # A parameter that is computed anew is none any more, and gets no gradient.
                grade = guess if ".grad" in case.text(case.statement) else likely
            elif case.slug == "broadcast-size-mismatch":
                grade = guess
            yield grade(case.edit().instead(case.statement, text), new=text.splitlines()[-1])
        return
    changes = [
        (statement, text)
        for statement in case.source.statements
        if (text := _out_of_place(case, statement)) is not None and _in_graph(case, statement)
    ]
    for statement, text in changes[:5]:
        yield likely(case.edit().instead(statement, text), new=text.splitlines()[-1])
    if len(changes) > 1:
        edit = case.edit()
        for statement, text in changes:
            edit.instead(statement, text)
        yield likely(edit, new=changes[0][1].splitlines()[-1])


def _in_graph(case: Case, statement: Statement) -> bool:
    """Whether a change in place may concern the graph, not a counter or a running sum."""
    text = case.text(statement)
    if ".item()" in text or "no_grad" in text:
        return False
    small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    if isinstance(small, cst.AugAssign):
        bound = case.names.resolve(small.target) if dotted(small.target) else None
        start = bound.value if bound is not None else None
        return start is None or case.names.number(start) is None
    return True


@rewrite("not-inplace", "inplace-modified", "leaf-inplace", "view-inplace-autograd", grades=LIKELY)
def not_inplace(case: Case) -> Iterator[Proposal]:
    """Lets activations make new tensors: no inplace=True, no relu_."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        value = argument(call, "inplace")
        if value is not None and case.text(value) == "True":
            edit.swap(call, without_argument(call, "inplace"))
            changed = True
        elif called(call).endswith("_") and isinstance(call.func, cst.Attribute):
            above = case.source.parent(call)
            if not isinstance(above, cst.Expr) and called(call) not in {"requires_grad_"}:
                new = call.func.with_changes(attr=cst.Name(called(call).rstrip("_")))
                edit.swap(call.func, new)
                changed = True
    if changed:
        yield likely(edit)


@rewrite("step-after-backward", "inplace-modified", grades=LIKELY)
def step_after_backward(case: Case) -> Iterator[Proposal]:
    """Moves optimizer steps behind the last backward that still needs the old weights."""
    backward = case.statement
    if backward is None:
        return
    block = list(case.source.block_of(backward))
    if backward not in block:
        return
    at = block.index(backward)
    steps = [
        s
        for s in block[:at]
        if isinstance(s, cst.SimpleStatementLine)
        and any(called(c) == "step" for c in find(s, cst.Call))
    ]
    if steps:
        edit = case.edit()
        for step in steps:
            edit.remove(step)
        edit.after(backward, "\n".join(case.text(step).strip() for step in steps))
        yield likely(edit, what=case.text(steps[0]).strip())


@rewrite(
    "update-without-grad",
    "leaf-inplace",
    "view-inplace-autograd",
    grades=(Grade.SURE, Grade.GUESS),
)
def update_without_grad(case: Case) -> Iterator[Proposal]:
    """Changes a parameter inside torch.no_grad(), where changes are not recorded."""
    if case.statement is None or not isinstance(case.statement, cst.SimpleStatementLine):
        return
    lines = [s for s in _alike(case) if _out_of_place(case, s) is not None]
    if case.statement not in lines:
        lines = [case.statement]
    edit = case.edit().importing("import torch")
    first, *others = lines
    if others:
        bare = first.with_changes(leading_lines=())
        text = "\n".join(case.text(line).strip() for line in (bare, *others))
        edit.instead(first, "with torch.no_grad():\n" + indent(text, "    "))
        for line in others:
            edit.remove(line)
    else:
        edit.wrap(case.statement, "with torch.no_grad():")
    grade = sure if all(_is_update(case, line) for line in lines) else guess
    yield grade(edit, what=case.text(case.statement).strip())


def _alike(case: Case) -> list[Statement]:
    """The lines around the failing one, without a gap, that all use a gradient or all use none."""
    if case.statement is None:
        return []
    block = list(case.source.block_of(case.statement))
    at = block.index(case.statement) if case.statement in block else -1
    kind = _is_update(case, case.statement)
    found: list[Statement] = [case.statement]
    for step in (-1, 1):
        near = at + step
        while at >= 0 and 0 <= near < len(block):
            line = block[near]
            if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
                break
            if not kind or not _is_update(case, line) or _out_of_place(case, line) is None:
                break
            found.insert(0 if step < 0 else len(found), line)
            near += step
    return found


def _is_update(case: Case, line: Statement) -> bool:
    """Whether a line changes a parameter by a gradient, or to numbers that need none."""
    if ".grad" in case.text(line):
        return True
    filled = {"fill_", "zero_", "normal_", "uniform_", "clamp_", "copy_"}
    if any(called(call) in filled for call in find(line, cst.Call)):
        return True
    values = [s.value for s in find(line, cst.Assign)] + [
        s.value for s in find(line, cst.AugAssign)
    ]
    return bool(values) and all(case.names.number(value) is not None for value in values)


@rewrite("no-grad-for-inference-mode", "inference-tensor", grades=SURE)
def no_grad_for_inference_mode(case: Case) -> Iterator[Proposal]:
    """Computes features under no_grad, whose results can be trained on, not inference_mode."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        if called(call) == "inference_mode":
            if isinstance(call.func, cst.Attribute):
                edit.swap(call.func.attr, cst.Name("no_grad"))
            else:
                edit.swap(call.func, cst.parse_expression("torch.no_grad")).importing(
                    "import torch"
                )
            changed = True
    if changed:
        yield sure(edit)
