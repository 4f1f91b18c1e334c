"""Rewrites of loops and of what they unpack."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from bot.rewrites.case import (
    GUESS,
    LIKELY,
    Case,
    Grade,
    Proposal,
    guess,
    likely,
    rewrite,
    sure,
)
from bot.rewrites.names import parameters
from bot.rewrites.source import Statement, called, dotted, find


def _loops(case: Case) -> list[cst.For | cst.CompFor]:
    """The loops that the failing statement is, or holds."""
    found: list[cst.For | cst.CompFor] = list(case.failing(cst.CompFor))
    if isinstance(case.statement, cst.For):
        found.insert(0, case.statement)
    return found


def _target(text: str) -> cst.BaseAssignTargetExpression:
    return find(cst.parse_statement(f"{text} = 0"), cst.AssignTarget)[0].target


@rewrite("nest-loop-target", "shape-unpack", grades=(Grade.SURE, Grade.LIKELY))
def nest_loop_target(case: Case) -> Iterator[Proposal]:
    """Takes number and pair apart in two steps, `i, (x, y)`, as enumerate hands them over."""
    if "not enough" not in case.message:
        return
    for loop in _loops(case):
        target, source = loop.target, loop.iter
        if not isinstance(target, cst.Tuple) or not isinstance(source, cst.Call):
            continue
        names = [case.text(element.value) for element in target.elements]
        width = len(source.args) if called(source) == "zip" else 2
        if called(source) not in {"enumerate", "zip"} or len(names) <= width or width < 2:
            continue
        if called(source) == "enumerate":
            new = f"{names[0]}, ({', '.join(names[1:])})"
        else:
            extra = len(names) - width + 1
            new = f"({', '.join(names[:extra])}), {', '.join(names[extra:])}"
        grade = sure if called(source) == "enumerate" else likely
        yield grade(case.edit().swap(target, _target(new)), new=new)


@rewrite("stop-before-neighbour", "index-out-of-bounds", grades=LIKELY)
def stop_before_neighbour(case: Case) -> Iterator[Proposal]:
    """Ends a loop that also reads the next element, x[i + 1], one element earlier."""
    for node in case.failing(cst.Subscript):
        for sum_ in find(node, cst.BinaryOperation):
            ahead = case.names.number(sum_.right)
            loop = case.names.resolve(sum_.left)
            if not isinstance(sum_.operator, cst.Add) or not isinstance(ahead, int) or ahead < 1:
                continue
            if loop is None or not loop.loop or not isinstance(loop.value, cst.Call):
                continue
            if called(loop.value) != "range" or not loop.value.args:
                continue
            stop = loop.value.args[min(1, len(loop.value.args) - 1)].value
            end = case.names.number(stop)
            plain = isinstance(stop, cst.Integer) and isinstance(end, int)
            text = str(int(end or 0) - ahead) if plain else f"{case.atom(stop)} - {ahead}"
            yield likely(case.edit().replace(stop, text), what=case.text(node), number=ahead)


def _read_shapes(case: Case) -> Iterator[tuple[Statement, cst.Tuple, cst.BaseExpression]]:
    """The statements `n, c, h, w = x.shape` that failed, with their names and the tensor."""
    if case.statement is None:
        return
    for assign in find(case.statement, cst.Assign):
        target, value = assign.targets[0].target, assign.value
        if not isinstance(target, cst.Tuple):
            continue
        if isinstance(value, cst.Attribute) and value.attr.value == "shape":
            yield case.statement, target, value.value
        elif isinstance(value, cst.Call) and called(value) == "size" and not value.args:
            data = case.operand(value)
            if data is not None:
                yield case.statement, target, data


@rewrite("batch-before-unpack", "shape-unpack", grades=LIKELY)
def batch_before_unpack(case: Case) -> Iterator[Proposal]:
    """Makes a single sample a batch of one before its shape is read as that of a batch."""
    expected, got = case.number("expected"), case.number("got")
    if expected is None or got is None or expected != got + 1 or expected < 3:
        return
    for statement, _, data in _read_shapes(case):
        given = case.names.passed(data) if dotted(data) in _own(case) else []
        for value in given[:1]:
            edit = case.edit().replace(value, f"{case.atom(value)}.unsqueeze(0)")
            yield likely(edit, what=case.text(value))
        if dotted(data) is not None and not given:
            name = case.text(data)
            edit = case.edit().before(statement, f"{name} = {name}.unsqueeze(0)")
            yield likely(edit, what=name)


def _own(case: Case) -> list[str]:
    return parameters(case.method) if case.method is not None else []


@rewrite("last-sizes", "shape-unpack", grades=LIKELY)
def last_sizes(case: Case) -> Iterator[Proposal]:
    """Reads height and width from the last two dimensions, whatever stands before them."""
    if "too many" not in case.message:
        return
    for _, target, data in _read_shapes(case):
        names = [case.text(element.value).lower() for element in target.elements]
        if len(names) == 2 and names[0][:1] == "h" and names[1][:1] == "w":
            for assign in find(case.statement, cst.Assign) if case.statement else ():
                edit = case.edit().replace(assign.value, f"{case.atom(data)}.shape[-2:]")
                yield likely(edit, what=case.text(data))


@rewrite("unpack-what-is-there", "shape-unpack", grades=GUESS)
def unpack_what_is_there(case: Case) -> Iterator[Proposal]:
    """Drops the name of the batch where a shape has none and nothing else uses the name."""
    expected, got = case.number("expected"), case.number("got")
    if expected is None or got is None or expected != got + 1 or expected < 3:
        return
    for _, target, data in _read_shapes(case):
        first, *others = [case.text(element.value) for element in target.elements]
        uses = [name for name in find(case.names.scope(data), cst.Name) if name.value == first]
        if len(uses) == 1:
            edit = case.edit().swap(target, _target(", ".join(others)))
            yield guess(edit, what=first)
