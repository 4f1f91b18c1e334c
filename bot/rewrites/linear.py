"""Rewrites of matrix products: Linear layers, matmul, bmm."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import libcst as cst

from bot.rewrites.case import (
    GUESS,
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
from bot.rewrites.layers import argument, sized
from bot.rewrites.names import nth
from bot.rewrites.samples import single_samples
from bot.rewrites.source import called, find
from bot.rewrites.spots import first_argument, inner_inputs, sequential_of, set_number, uses_of

_PRODUCTS = ("matmul", "mm", "bmm", "linear", "addmm", "baddbmm")


def _linears(case: Case) -> list[cst.Call]:
    wanted = case.number("in_features")
    return sized(
        case, ("Linear",), in_features=wanted, out_features=case.number("out_features")
    ) or sized(case, ("Linear",), in_features=wanted)


def _folds(case: Case) -> bool:
    """Whether the rows of the message are samples of `in_features` numbers cut to pieces."""
    rows, cols, wanted = (case.number(n) for n in ("rows", "cols", "in_features"))
    if not rows or not cols or not wanted or wanted == cols or wanted % cols:
        return False
    return rows % (wanted // cols) == 0


def _input_of(case: Case, linear: cst.Call) -> cst.BaseExpression | None:
    used = uses_of(case, linear)
    return first_argument(used[0]) if used else None


@rewrite("flatten-input", "matmul-shape-mismatch", grades=(Grade.SURE, Grade.LIKELY))
def flatten_input(case: Case) -> Iterator[Proposal]:
    """Flattens everything but the batch in front of a Linear layer."""
    wanted = case.number("in_features")
    single = bool(single_samples(case))
    for linear in _linears(case):
        data = _input_of(case, linear)
        if data is None:
            continue
        shape = case.shape_of(data)
        if shape is not None and len(shape) < 3:
            continue
        fits = shape is not None and prod(shape[1:]) == wanted
        if not fits and not _folds(case):
            continue
        place = sequential_of(case, linear)
        if place is not None and place[1] > 0:
            layer = case.text(linear)
            edit = case.edit().swap(place[0], _with_flatten(case, *place))
        else:
            layer = case.text(data)
            edit = case.edit().replace(data, f"{case.atom(data)}.flatten(1)")
        certain = (fits or shape is None) and not single
        yield (sure if certain else likely)(edit, what=layer)


def _with_flatten(case: Case, sequential: cst.Call, at: int) -> cst.Call:
    layer = sequential.args[at]
    comma = sequential.args[at - 1].comma
    flatten = cst.Arg(cst.parse_expression(f"{case.nn}.Flatten()"), comma=comma)
    return sequential.with_changes(
        args=[*sequential.args[:at], flatten, layer, *sequential.args[at + 1 :]]
    )


@rewrite("flatten-and-fit", "matmul-shape-mismatch", grades=LIKELY)
def flatten_and_fit(case: Case) -> Iterator[Proposal]:
    """Flattens the input of a Linear layer and sets its in_features to what that gives."""
    for linear in _linears(case):
        data = _input_of(case, linear)
        shape = case.shape_of(data) if data is not None else None
        if data is None or shape is None or len(shape) < 4 or sequential_of(case, linear):
            continue
        features = prod(shape[1:])
        if features != case.number("in_features"):
            edit = set_number(case, linear, "in_features", features)
            edit.replace(data, f"{case.atom(data)}.flatten(1)")
            yield likely(edit, what=case.text(data), number=features)


@rewrite("set-in-features", "matmul-shape-mismatch", grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS))
def set_in_features(case: Case) -> Iterator[Proposal]:
    """Sets the in_features of a Linear layer to the number of features that arrive."""
    cols = case.number("cols")
    if cols is None:
        return
    single = bool(single_samples(case))
    for linear in _linears(case):
        data = _input_of(case, linear)
        shape = case.shape_of(data) if data is not None else None
        edit = set_number(case, linear, "in_features", cols)
        was = argument(linear, "in_features")
        values: dict[str, str | int] = {"old": case.text(was) if was is not None else "?"}
        values["number"] = cols
        if shape is not None:
            # One row a sample: the data were flattened on their way to the layer.
            doubtful = len(shape) > 3 and case.number("rows") != shape[0]
        else:
            doubtful = _folds(case) or _never_flattened(case) or case.number("in_features") == 1
        if doubtful or single:
            yield guess(edit, **values)
        elif case.number("rows") == case.number("in_features"):
            yield likely(edit, **values)
        else:
            yield sure(edit, **values)


def _never_flattened(case: Case) -> bool:
    """Whether images go through convolutions and are nowhere made into rows."""
    names = {called(call) for call in case.source.calls}
    flattening = {"flatten", "Flatten", "view", "reshape", "mean", "squeeze"}
    return bool({"Conv1d", "Conv2d", "Conv3d"} & names) and not flattening & names


@rewrite("add-feature-dim", "matmul-shape-mismatch", grades=(Grade.SURE, Grade.LIKELY))
def add_feature_dim(case: Case) -> Iterator[Proposal]:
    """Gives a list of numbers, one a sample, a last dimension for a Linear layer of one feature."""
    if case.number("in_features") != 1:
        return
    for linear in _linears(case):
        data = _input_of(case, linear)
        if data is None:
            continue
        shape = case.shape_of(data)
        if shape is None or len(shape) == 1 or case.number("rows") == 1:
            edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(-1)")
            yield (sure if shape else likely)(edit, what=case.text(data))


def _products(
    case: Case,
) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression, cst.BaseExpression]]:
    """The matrix products of the failing line: the whole, its left and its right side."""
    for node in case.failing(cst.BinaryOperation):
        if isinstance(node.operator, cst.MatrixMultiply):
            yield node, node.left, node.right
    for call in case.failing_calls(*_PRODUCTS):
        method = case.is_method(call)
        left = case.operand(call)
        right = nth(call, 0 if method else 1)
        if left is not None and right is not None:
            yield call, left, right


@rewrite(
    "transpose-operand",
    "matmul-shape-mismatch",
    "bmm-shape-mismatch",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def transpose_operand(case: Case) -> Iterator[Proposal]:
    """Transposes one side of a matrix product so that the inner sizes agree."""
    rows, cols = case.number("rows"), case.number("cols")
    inner, outer = case.number("in_features"), case.number("out_features")
    for _, left, right in _products(case):
        left_shape, right_shape = case.shape_of(left), case.shape_of(right)
        stacked = case.slug == "bmm-shape-mismatch"
        flip = ".transpose(-2, -1)" if stacked else ".T"
        if left_shape and right_shape and len(right_shape) > 1 and len(left_shape) > 1:
            fits_right = left_shape[-1] == right_shape[-1]
            fits_left = left_shape[-2] == right_shape[-2]
        elif stacked:
            fits_right = fits_left = case.number("batch") == case.number("got_batch")
        else:
            fits_right = cols is not None and cols == outer
            fits_left = rows is not None and rows == inner
        if fits_right:
            edit = case.edit().replace(right, case.atom(right) + flip)
            yield likely(edit, what=case.text(right))
        if fits_left:
            edit = case.edit().replace(left, case.atom(left) + flip)
            yield (guess if fits_right else likely)(edit, what=case.text(left))


@rewrite(
    "transpose-input",
    "matmul-shape-mismatch",
    "rnn-input-size",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def transpose_input(case: Case) -> Iterator[Proposal]:
    """Transposes the input of a layer when its other dimension has the size that is wanted."""
    if case.slug == "matmul-shape-mismatch":
        if case.number("rows") != case.number("in_features"):
            return
        places = [data for linear in _linears(case) if (data := _input_of(case, linear))]
        flip = ".T"
    else:
        places = list(inner_inputs(case))
        flip = ".transpose(1, 2)"
    for data in places:
        shape = case.shape_of(data)
        wanted = case.number("in_features") or case.number("expected")
        if shape is not None and (len(shape) < 2 or shape[-2] != wanted):
            continue
        edit = case.edit().replace(data, case.atom(data) + flip)
        swapped = case.slug == "rnn-input-size" and shape is not None and shape[-1] != wanted
        yield (likely if swapped else guess)(edit, what=case.text(data))


@rewrite("use-matmul", "matmul-wrong-ndim", "bmm-shape-mismatch", grades=SURE)
def use_matmul(case: Case) -> Iterator[Proposal]:
    """Replaces mm, bmm, mv or dot by matmul, which takes any number of dimensions."""
    if case.slug == "bmm-shape-mismatch" and not case.word("which"):
        return
    for call in case.failing_calls("mm", "bmm", "mv", "dot", "vdot", "inner"):
        name = call.func
        if isinstance(name, cst.Attribute):
            renamed = name.with_changes(attr=cst.Name("matmul"))
            yield sure(case.edit().swap(name, renamed), old=called(call))


@rewrite("use-last-dims-transpose", "matmul-wrong-ndim", grades=SURE)
def use_last_dims_transpose(case: Case) -> Iterator[Proposal]:
    """Replaces .t() and .T, made for two dimensions, by a transpose of the last two."""
    for call in case.failing_calls("t"):
        data = case.operand(call)
        if data is not None and case.is_method(call):
            edit = case.edit().replace(call, f"{case.atom(data)}.transpose(-2, -1)")
            yield sure(edit, what=case.text(call))
    for part in case.focus:
        for node in find(part, cst.Attribute):
            if node.attr.value == "T":
                edit = case.edit().replace(node, f"{case.atom(node.value)}.transpose(-2, -1)")
                yield sure(edit, what=case.text(node))


@rewrite("unsqueeze-matrix", "matmul-wrong-ndim", grades=GUESS)
def unsqueeze_matrix(case: Case) -> Iterator[Proposal]:
    """Makes a vector that stands where a matrix is wanted into a matrix of one row."""
    for _, left, right in _products(case):
        for side in (left, right):
            shape = case.shape_of(side)
            if shape is not None and len(shape) == 1:
                at = 0 if side is left else 1
                edit = case.edit().replace(side, f"{case.atom(side)}.unsqueeze({at})")
                yield guess(edit, what=case.text(side))
