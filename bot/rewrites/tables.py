"""Rewrites of tables and masks that are longer than the data: positions, causal masks."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from bot.rewrites.case import LIKELY, Case, Grade, Proposal, guess, likely, rewrite
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import first_argument


def _is_table(case: Case, node: cst.BaseExpression) -> bool:
    """Whether an expression is a whole buffer, parameter or other tensor that a module keeps."""
    name = dotted(node)
    if name is None or not name.startswith("self."):
        return False
    bare = name.removeprefix("self.")
    registered = any(
        called(call) == "register_buffer"
        and isinstance(value := nth(call, 0, "name"), cst.SimpleString)
        and value.evaluated_value == bare
        for call in case.source.calls
    )
    return registered or any(
        not isinstance(b.value, cst.Name) or b.owner is not None
        for b in case.names.bindings.get(name, ())
    )


def _length(case: Case, data: cst.BaseExpression, dim: int) -> str:
    """The size of one dimension of the data as code, read before a layer where that keeps it."""
    if isinstance(data, cst.Call) and dim >= 0:
        inner = first_argument(data)
        if inner is not None and dotted(inner) is not None:
            return f"{case.text(inner)}.size({dim})"
    return f"{case.atom(data)}.size({dim})"


@rewrite("slice-table", "broadcast-size-mismatch", grades=LIKELY)
def slice_table(case: Case) -> Iterator[Proposal]:
    """Takes only as many rows of a table, such as one of positions, as the data have."""
    left, right, dim = case.number("a"), case.number("b"), case.number("dim")
    if left is None or right is None or dim is None:
        return
    for node in case.failing(cst.BinaryOperation):
        sides = ((node.right, node.left, right, left), (node.left, node.right, left, right))
        for table, data, long, short in sides:
            if long <= short or not _is_table(case, table):
                continue
            for cut, at in _cuts(case, table, data, dim):
                slices = ", ".join([*(":" for _ in range(cut)), f": {_length(case, data, at)}"])
                text = f"{case.text(table)}[{slices}]"
                yield likely(case.edit().replace(table, text), what=case.text(table), new=text)


def _cuts(
    case: Case, table: cst.BaseExpression, data: cst.BaseExpression, dim: int
) -> Iterator[tuple[int, int]]:
    """The dimension of the table that is too long, with that of the data, or possible ones."""
    mine, other = case.shape_of(table), case.shape_of(data)
    if mine is not None and other is not None:
        whole = max(len(mine), len(other))
        cut, at = dim - (whole - len(mine)), dim - (whole - len(other))
        if cut >= 0 and at >= 0:
            yield cut, at
        return
    yield dim, dim
    if dim > 0:
        yield dim - 1, dim


@rewrite("slice-mask", "attention-mask-shape", "broadcast-size-mismatch", grades=LIKELY)
def slice_mask(case: Case) -> Iterator[Proposal]:
    """Cuts a mask that was made for longer sequences to the length of this one."""
    if case.slug == "broadcast-size-mismatch":
        yield from _filled(case)
        return
    got, expected = case.shape("got"), case.shape("expected")
    if not got or not expected or len(got) != 2 or len(expected) != 2 or got[0] < expected[0]:
        return
    for call in case.failing(cst.Call):
        data = nth(call, 0) if call.args else None
        for arg in call.args if data is not None else ():
            if not _is_mask(case, arg) or dotted(arg.value) is None or data is None:
                continue
            length = _of_sequence(case, call, data)
            text = f"{case.text(arg.value)}[:{length}, :{length}]"
            if expected[0] == expected[1]:
                yield likely(case.edit().replace(arg.value, text), what=case.text(arg.value))


def _is_mask(case: Case, arg: cst.Arg) -> bool:
    named = arg.keyword.value if arg.keyword is not None else ""
    if "padding" in named or "padding" in case.text(arg.value):
        return False
    return "mask" in named or "mask" in (dotted(arg.value) or "").lower()


def _of_sequence(case: Case, call: cst.Call, data: cst.BaseExpression) -> str:
    """The length of the sequences that a layer is given, as code."""
    made = case.names.constructed(call.func)
    if made is not None and called(made) == "TransformerEncoder":
        inner = nth(made, 0, "encoder_layer")
        made = case.names.constructed(inner) if inner is not None else made
    first = nth(made, 99, "batch_first") if made is not None else None
    at = 1 if first is not None and case.text(first) == "True" else 0
    return f"{case.atom(data)}.size({at})"


def _filled(case: Case) -> Iterator[Proposal]:
    for call in case.failing(cst.Call):
        if called(call) not in {"masked_fill", "masked_fill_"} or not case.is_method(call):
            continue
        scores, mask = case.operand(call), nth(call, 0, "mask")
        if scores is None or mask is None or dotted(scores) is None:
            continue
        name = case.text(scores)
        for node in find(mask, cst.Attribute):
            if _is_table(case, node):
                text = f"{case.text(node)}[..., :{name}.size(-2), :{name}.size(-1)]"
                yield likely(case.edit().replace(node, text), what=case.text(node))


@rewrite("mask-of-this-length", "attention-mask-shape", grades=(Grade.LIKELY, Grade.GUESS))
def mask_of_this_length(case: Case) -> Iterator[Proposal]:
    """Makes a mask as long as the sequence it is used with, where another length is written."""
    got, expected = case.shape("got"), case.shape("expected")
    if not got or not expected or len(got) != 2 or got[0] != got[1] or expected[:1] != expected[1:]:
        return
    for call in case.failing(cst.Call):
        data = nth(call, 0) if call.args else None
        for arg in call.args if data is not None else ():
            made = case.names.value(arg.value) if _is_mask(case, arg) else None
            if made is None or data is None:
                continue
            sizes = [
                value
                for inner in find(made, cst.Call)
                for value in (one.value for one in inner.args)
                if case.names.number(value) == got[0]
            ]
            edit = case.edit()
            for size in sizes:
                edit.replace(size, _known_length(case, call, data, made, expected[0]))
            if sizes:
                near = case.names.scope(made) is case.names.scope(call)
                grade = likely if near else guess
                yield grade(edit, what=case.text(arg.value), old=got[0], number=expected[0])


def _known_length(
    case: Case, call: cst.Call, data: cst.BaseExpression, mask: cst.CSTNode, number: int
) -> str:
    """The length as code where the data have their name before the mask is made."""
    if dotted(data) is None or case.names.scope(mask) is not case.names.scope(call):
        return str(number)
    bound = case.names.resolve(data)
    before = bound is None or case.source.line(bound.statement) < case.source.line(mask)
    return _of_sequence(case, call, data) if before else str(number)
