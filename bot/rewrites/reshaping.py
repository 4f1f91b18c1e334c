"""Rewrites of view, permute, squeeze, unpacking and broadcasting."""

from __future__ import annotations

import re
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
from bot.rewrites.editor import Editor
from bot.rewrites.layers import argument, sized
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find, header
from bot.rewrites.spots import first_argument, set_number

_WITH_DIM = (
    *("softmax", "log_softmax", "sum", "mean", "max", "min", "argmax", "argmin", "cumsum"),
    *("squeeze", "norm", "std", "var", "topk", "sort", "prod", "all", "any", "size", "split"),
    *("amax", "amin", "logsumexp", "chunk", "unbind", "select", "gather", "flatten", "flip"),
)


def _views(case: Case) -> list[cst.Call]:
    return [c for c in case.failing_calls("view", "reshape") if case.operand(c) is not None]


def _sizes(case: Case, call: cst.Call) -> list[cst.BaseExpression]:
    args = [arg.value for arg in call.args]
    if not case.is_method(call):
        args = args[1:]
    if len(args) == 1 and isinstance(args[0], cst.Tuple | cst.List):
        return [element.value for element in args[0].elements]
    return args


@rewrite("reshape-for-view", "view-not-contiguous", grades=SURE)
def reshape_for_view(case: Case) -> Iterator[Proposal]:
    """Replaces .view by .reshape, which copies where the memory demands it."""
    edit, seen = case.edit(), False
    for call in case.failing_calls("view"):
        if isinstance(call.func, cst.Attribute):
            edit.swap(call.func.attr, cst.Name("reshape"))
            seen = True
    if seen:
        yield sure(edit)


def _one_picture(case: Case, sizes: list[cst.BaseExpression]) -> bool:
    """Whether a view names channels, height and width of a square picture, but no batch."""
    values = [case.names.number(size) for size in sizes]
    return len(values) == 3 and values[0] in {1, 3} and values[1] == values[2] and values[1] != 1


@rewrite("batch-of-pictures", "view-invalid-size", grades=LIKELY)
def batch_of_pictures(case: Case) -> Iterator[Proposal]:
    """Views the data as a batch of pictures, where the view has room for one alone."""
    size = case.number("size")
    for call in _views(case):
        sizes = _sizes(case, call)
        values = [case.names.number(one) for one in sizes]
        whole = prod(int(v) for v in values if v is not None)
        if not _one_picture(case, sizes) or size is None or size <= whole or size % whole:
            continue
        form = ", ".join(["-1", *(case.text(one) for one in sizes)])
        data = case.operand(call)
        if data is not None:
            edit = case.edit().replace(call, f"{case.atom(data)}.{called(call)}({form})")
            yield likely(edit, form=form)


@rewrite("keep-batch-in-view", "view-invalid-size", grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS))
def keep_batch_in_view(case: Case) -> Iterator[Proposal]:
    """Replaces a batch size that is written into a view by the size of the batch that arrives."""
    for call in _views(case):
        sizes = _sizes(case, call)
        data = case.operand(call)
        if data is None or len(sizes) < 2:
            continue
        first = case.names.number(sizes[0])
        if first == -1 or isinstance(sizes[0], cst.Call | cst.Subscript):
            continue
        edit = case.edit().replace(sizes[0], f"{case.atom(data)}.size(0)")
        rest = [case.names.number(size) for size in sizes[1:]]
        grade = guess if _one_picture(case, sizes) else sure if -1 in rest else likely
        yield grade(edit, old=case.text(sizes[0]))


def _next_linear(case: Case, features: int) -> cst.Call | None:
    found = sized(case, ("Linear",), in_features=features)
    for call in found:
        value = argument(call, "in_features")
        if value is not None and case.names.number(value) == features:
            return call
    return None


@rewrite(
    "flatten-for-view",
    "view-invalid-size",
    "loss-batch-mismatch",
    "silent-view-mixes-batch",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def flatten_for_view(case: Case) -> Iterator[Proposal]:
    """Replaces view(-1, n) by flatten(1), which keeps one row a sample, and fits the next layer."""
    views = _views(case)
    if case.slug != "view-invalid-size":
        views = [c for c in case.source.calls if called(c) in {"view", "reshape"}]
    for call in views:
        sizes, data = _sizes(case, call), case.operand(call)
        if data is None or len(sizes) != 2 or case.names.number(sizes[0]) != -1:
            continue
        old = case.names.number(sizes[1])
        features = _features(case, data, old if isinstance(old, int) else None)
        edit = case.edit()
        linear = _next_linear(case, int(old)) if old is not None else None
        if features is not None and linear is not None and features != old:
            edit = set_number(case, linear, "in_features", features)
        edit.replace(call, f"{case.atom(data)}.flatten(1)")
        if case.slug == "silent-view-mixes-batch":
            yield guess(edit, number=features or 0)
        else:
            yield (likely if features is None else sure)(edit, number=features or 0)


def _features(case: Case, data: cst.BaseExpression, old: int | None) -> int | None:
    """How many numbers a sample has, from the scene or from the two batch sizes."""
    shape = case.shape_of(data)
    if shape is not None and len(shape) > 1 and case.slug == "view-invalid-size":
        return prod(shape[1:])
    rows, targets = case.number("inputs"), case.number("targets")
    if rows and targets and old and (old * rows) % targets == 0:
        return old * rows // targets
    return None


@rewrite("fit-view-size", "view-invalid-size", grades=(Grade.LIKELY, Grade.GUESS))
def fit_view_size(case: Case) -> Iterator[Proposal]:
    """Lets view compute the one size that does not fit."""
    size = case.number("size")
    for call in _views(case):
        sizes = _sizes(case, call)
        values = [case.names.number(one) for one in sizes]
        for at in range(len(sizes) - 1, -1, -1):
            rest = [v for i, v in enumerate(values) if i != at]
            if -1 in rest or values[at] == -1:
                continue
            known = [int(v) for v in rest if v is not None]
            if size is not None and len(known) == len(rest) and size % max(prod(known), 1):
                continue
            edit = case.edit().replace(sizes[at], "-1")
            data = case.operand(call)
            shape = case.shape_of(data) if data is not None else None
            rows = shape[0] if shape else None
            keeps = at == 0 if rows is None else (values[0] == rows) == (at != 0)
            keeps = keeps and not _one_picture(case, sizes)
            grade = likely if len(known) == len(rest) and keeps else guess
            yield grade(edit, old=case.text(sizes[at]))


@rewrite("permute-all-dims", "dim-out-of-range", grades=LIKELY)
def permute_all_dims(case: Case) -> Iterator[Proposal]:
    """Names every dimension in a permute, the batch at its place."""
    dims = case.numbers(r"input\.dim\(\) = (\d+) is not equal to len\(dims\) = (\d+)")
    for call in case.failing_calls("permute"):
        order = [case.names.number(size) for size in _sizes(case, call)]
        if dims is None or None in order:
            continue
        ndim, given = dims
        whole = [int(o) for o in order if o is not None]
        if ndim == given + 1:
            whole = [0, *(o + 1 if o >= 0 else o for o in whole)]
        elif ndim == given - 1 and 0 in whole:
            whole = [o - 1 if o > 0 else o for o in whole if o != 0]
        else:
            continue
        data = case.operand(call)
        if data is None:
            continue
        text = ", ".join(map(str, whole))
        edit = case.edit().replace(call, f"{case.atom(data)}.permute({text})")
        yield likely(edit, order=text)


@rewrite("drop-squeeze", "dim-out-of-range", "shape-unpack", "too-many-indices", grades=LIKELY)
def drop_squeeze(case: Case) -> Iterator[Proposal]:
    """Takes a bare .squeeze() away, which also dropped the batch of one."""
    calls = list(case.failing_calls("squeeze"))
    for part in case.focus:
        for name in find(part, cst.Name):
            value = case.names.value(name)
            if value is not None:
                calls += [c for c in find(value, cst.Call) if called(c) == "squeeze"]
    for call in calls:
        data = case.operand(call)
        bare = len(call.args) == (0 if case.is_method(call) else 1)
        if data is not None and bare:
            yield likely(case.edit().replace(call, case.atom(data)), what=case.text(call))


@rewrite("last-dim", "dim-out-of-range", grades=(Grade.LIKELY, Grade.GUESS))
def last_dim(case: Case) -> Iterator[Proposal]:
    """Uses the last dimension, -1, where the named one does not exist."""
    dim = case.number("dim")
    for call in case.failing_calls(*_WITH_DIM):
        for arg in call.args:
            if case.names.number(arg.value) == dim and (arg.keyword or _takes_dim(case, call, arg)):
                grade = likely if case.number("high") == 0 and dim == 1 else guess
                yield grade(case.edit().replace(arg.value, "-1"), old=dim or 0)


def _takes_dim(case: Case, call: cst.Call, arg: cst.Arg) -> bool:
    return call.args.index(arg) == (0 if case.is_method(call) else 1)


@rewrite("unpack-with-batch", "shape-unpack", grades=GUESS)
def unpack_with_batch(case: Case) -> Iterator[Proposal]:
    """Reads the shape with the batch dimension that a single sample lacks."""
    expected, got = case.number("expected"), case.number("got")
    if expected is None or got is None or expected != got + 1:
        return
    for part in case.focus:
        for node in find(part, cst.Attribute):
            if node.attr.value == "shape":
                edit = case.edit().replace(node, f"{case.atom(node.value)}.unsqueeze(0).shape")
                yield guess(edit, what=case.text(node.value))
        for call in find(part, cst.Call):
            if called(call) == "size" and isinstance(call.func, cst.Attribute):
                edit = case.edit().replace(call, f"{case.atom(call.func.value)}.unsqueeze(0).shape")
                yield guess(edit, what=case.text(call.func.value))


@rewrite("unpack-rest", "shape-unpack", grades=GUESS)
def unpack_rest(case: Case) -> Iterator[Proposal]:
    """Collects what an unpacking has no name for."""
    if "too many" not in case.message or case.statement is None:
        return
    targets = [t.target for s in find(case.statement, cst.Assign) for t in s.targets]
    if isinstance(case.statement, cst.For):
        targets = [case.statement.target]
    for target in targets:
        if isinstance(target, cst.Tuple):
            names = ", ".join(case.text(element.value) for element in target.elements)
            text = f"({names}, *_)" if target.lpar else f"{names}, *_"
            yield guess(_retarget(case, target, text))


def _retarget(case: Case, target: cst.Tuple, text: str) -> Editor:
    new = cst.parse_statement(f"{text} = 0")
    (assign,) = find(new, cst.AssignTarget)
    return case.edit().swap(target, assign.target)


@rewrite("enumerate-loader", "shape-unpack", grades=SURE)
def enumerate_loader(case: Case) -> Iterator[Proposal]:
    """Counts the batches with enumerate, as the two names of the loop expect."""
    loop = case.statement
    if isinstance(loop, cst.For) and isinstance(loop.target, cst.Tuple):
        nested = [e for e in loop.target.elements if isinstance(e.value, cst.Tuple)]
        if len(loop.target.elements) == 2 and nested and "enumerate" not in case.text(loop.iter):
            yield sure(case.edit().replace(loop.iter, f"enumerate({case.text(loop.iter)})"))


@rewrite("loop-without-unpacking", "shape-unpack", grades=LIKELY)
def loop_without_unpacking(case: Case) -> Iterator[Proposal]:
    """Takes the one tensor out of each batch, which holds no second."""
    loop = case.statement
    if not isinstance(loop, cst.For) or case.number("got") != 1:
        return
    if isinstance(loop.target, cst.Tuple) and len(loop.target.elements) == 2:
        first = case.text(loop.target.elements[0].value)
        second = loop.target.elements[1].value
        used = [n for n in find(loop.body, cst.Name) if n.value == dotted(second)]
        if not used:
            yield likely(_retarget(case, loop.target, f"({first},)"), what=first)


@rewrite("einsum-letters", "einsum-subscript", grades=(Grade.SURE, Grade.GUESS))
def einsum_letters(case: Case) -> Iterator[Proposal]:
    """Reorders the letters of one operand of an einsum, so that equal letters have equal sizes."""
    for call in case.failing_calls("einsum"):
        equation = nth(call, 0)
        if not isinstance(equation, cst.SimpleString) or "->" not in equation.value:
            continue
        text = re.sub(r"\s", "", str(equation.evaluated_value))
        left, right = text.split("->", 1)
        operands = left.split(",")
        shapes = [case.shape_of(arg.value) for arg in call.args[1:]]
        for at, letters in enumerate(operands):
            known = _letter_sizes(operands, shapes, at)
            for new in _swaps(letters):
                changed = ",".join([*operands[:at], new, *operands[at + 1 :]])
                edit = case.edit().replace(equation, f'"{changed}->{right}"')
                shape = shapes[at] if at < len(shapes) else None
                if shape is None or None in shapes:
                    if at == case.number("operand"):
                        yield guess(edit, equation=f"{changed}->{right}")
                elif len(new) == len(shape) and all(
                    known.get(c, n) == n for c, n in zip(new, shape, strict=True)
                ):
                    yield sure(edit, equation=f"{changed}->{right}")


def _letter_sizes(
    operands: list[str], shapes: list[tuple[int, ...] | None], but: int
) -> dict[str, int]:
    return {
        letter: size
        for at, (letters, shape) in enumerate(zip(operands, shapes, strict=False))
        if at != but and shape is not None
        for letter, size in zip(letters, shape, strict=False)
    }


def _swaps(letters: str) -> Iterator[str]:
    for one in range(len(letters) - 1, 0, -1):
        for other in range(one - 1, -1, -1):
            swapped = list(letters)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            yield "".join(swapped)


@rewrite("split-the-rest", "split-sizes", grades=LIKELY)
def split_the_rest(case: Case) -> Iterator[Proposal]:
    """Gives the last part of a split what the other parts leave."""
    for call in case.failing_calls("random_split", "split", "split_with_sizes"):
        sizes = nth(call, 0 if case.is_method(call) and called(call) != "random_split" else 1)
        data = first_argument(call) if called(call) == "random_split" else case.operand(call)
        listed = case.names.value(sizes) if sizes is not None else None
        if data is None or sizes is None or not isinstance(listed, cst.List | cst.Tuple):
            continue
        if len(listed.elements) < 2:
            continue
        *others, last = [element.value for element in listed.elements]
        dim = nth(call, 1 if case.is_method(call) else 2, "dim")
        whole = (
            f"len({case.text(data)})"
            if called(call) == "random_split"
            else (f"{case.atom(data)}.size({case.text(dim) if dim else 0})")
        )
        rest = " - ".join([whole, *(case.atom(other) for other in others)])
        yield likely(case.edit().replace(last, rest))


@rewrite("last-step-of-batch", "loss-batch-mismatch", grades=LIKELY)
def last_step_of_batch(case: Case) -> Iterator[Proposal]:
    """Takes the last step of each sequence, out[:, -1], where out[-1] takes the last sample."""
    for node in find(case.source.module, cst.Subscript):
        made = case.names.resolve(node.value)
        if made is None or case.text(node).removeprefix(case.text(node.value)) != "[-1]":
            continue
        kinds = {case.names.kind(c.func) for c in find(made.value, cst.Call)}
        if kinds & {"RNN", "LSTM", "GRU"}:
            edit = case.edit().replace(node, f"{case.text(node.value)}[:, -1]")
            yield likely(edit, what=case.text(node.value))


@rewrite("flatten-tokens", "loss-batch-mismatch", grades=LIKELY)
def flatten_tokens(case: Case) -> Iterator[Proposal]:
    """Flattens the targets of sequences, as the outputs are flattened already."""
    inputs, targets = case.number("inputs"), case.number("targets")
    if not inputs or not targets or inputs % targets or case.statement is None:
        return
    for part in header(case.statement):
        for call in find(part, cst.Call):
            target = nth(call, 1, "target")
            if target is not None and ("oss" in case.text(call.func) or "crit" in case.text(call)):
                shape = case.shape_of(target)
                if shape is None or prod(shape) == inputs:
                    edit = case.edit().replace(target, f"{case.atom(target)}.reshape(-1)")
                    yield likely(edit, what=case.text(target))
