"""Rewrites of cat, stack and of operations on tensors of unequal shape."""

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
from bot.rewrites.layers import argument, with_argument
from bot.rewrites.source import called

_REDUCING = ("mean", "sum", "amax", "amin", "norm", "std", "var", "logsumexp", "prod", "max", "min")


@rewrite(
    "stack-vectors", "dim-out-of-range", "cat-size-mismatch", grades=(Grade.SURE, Grade.LIKELY)
)
def stack_vectors(case: Case) -> Iterator[Proposal]:
    """Joins with stack, which makes a new dimension, where cat has none to join along."""
    scalars = "zero-dimensional" in case.message
    for call in case.failing_calls("cat", "concat"):
        if isinstance(call.func, cst.Attribute) and (scalars or case.slug == "dim-out-of-range"):
            new = call.func.with_changes(attr=cst.Name("stack"))
            yield (sure if scalars else likely)(case.edit().swap(call.func, new))


@rewrite("cat-other-dim", "cat-size-mismatch", grades=(Grade.LIKELY, Grade.GUESS))
def cat_other_dim(case: Case) -> Iterator[Proposal]:
    """Joins along the dimension in which the sizes differ."""
    dim = case.number("dim")
    for call in case.failing_calls("cat", "concat"):
        tensors, at = argument(call, "tensors"), case.number("at")
        if isinstance(tensors, cst.List | cst.Tuple):
            shapes = [case.shape_of(element.value) for element in tensors.elements]
            if all(shapes) and len({len(s) for s in shapes if s}) == 1:
                sizes = zip(*(s for s in shapes if s), strict=True)
                different = [i for i, one in enumerate(sizes) if len(set(one)) > 1]
                at = different[0] if len(different) == 1 else at
                if len(different) != 1:
                    continue
        for new in [at] if at is not None else [1 if dim == 0 else 0]:
            if new != dim:
                edit = case.edit().swap(call, with_argument(case, call, "dim", str(new)))
                yield (likely if at is not None else guess)(edit, number=new)


@rewrite("unsqueeze-part", "cat-size-mismatch", grades=(Grade.LIKELY, Grade.GUESS))
def unsqueeze_part(case: Case) -> Iterator[Proposal]:
    """Gives the part that has a dimension less than the others the one that it lacks."""
    first, second = case.number("first"), case.number("second")
    for call in case.failing_calls("cat", "concat"):
        tensors = argument(call, "tensors")
        if not isinstance(tensors, cst.List | cst.Tuple) or len(tensors.elements) < 2:
            continue
        values = [element.value for element in tensors.elements]
        if first is None or second is None or abs(first - second) != 1:
            continue
        low = values[0] if first < second else values[1]
        other = case.shape_of(values[1] if low is values[0] else values[0])
        mine = case.shape_of(low)
        at = 1
        if other is not None and mine is not None and len(other) == len(mine) + 1:
            fitting = [i for i in range(len(other)) if (*other[:i], *other[i + 1 :]) == mine]
            dim = case.names.number(value) if (value := argument(call, "dim")) else 0
            at = int(dim) if dim in fitting else (fitting[0] if fitting else 1)
        edit = case.edit().replace(low, f"{case.atom(low)}.unsqueeze({at})")
        yield (likely if mine else guess)(edit, what=case.text(low), dim=at)


@rewrite("pad-sequences", "stack-size-mismatch", grades=LIKELY)
def pad_sequences(case: Case) -> Iterator[Proposal]:
    """Fills sequences of unequal length up with pad_sequence in place of stacking them."""
    for call in case.failing_calls("stack"):
        tensors = argument(call, "tensors")
        if tensors is not None:
            edit = case.edit().importing("from torch.nn.utils.rnn import pad_sequence")
            edit.replace(call, f"pad_sequence({case.text(tensors)}, batch_first=True)")
            yield likely(edit)


@rewrite("cat-for-stack", "stack-size-mismatch", grades=GUESS)
def cat_for_stack(case: Case) -> Iterator[Proposal]:
    """Joins tensors of unequal length end to end in place of stacking them."""
    for call in case.failing_calls("stack"):
        if isinstance(call.func, cst.Attribute):
            new = call.func.with_changes(attr=cst.Name("cat"))
            yield guess(case.edit().swap(call.func, new))


@rewrite("keep-reduced-dim", "broadcast-size-mismatch", grades=(Grade.SURE, Grade.LIKELY))
def keep_reduced_dim(case: Case) -> Iterator[Proposal]:
    """Keeps the dimension that a mean or sum takes away, so that its result fits the data."""
    for node in case.failing(cst.BinaryOperation):
        for side in (node.right, node.left):
            value = case.names.value(side)
            for call in [c for c in (side, value) if isinstance(c, cst.Call)][:1]:
                if called(call) in _REDUCING and len(call.args) == (
                    1 if case.is_method(call) else 2
                ):
                    new = with_argument(case, call, "keepdim", "True")
                    yield likely(case.edit().swap(call, new), what=case.text(call))


@rewrite("unsqueeze-to-broadcast", "broadcast-size-mismatch", grades=(Grade.LIKELY, Grade.GUESS))
def unsqueeze_to_broadcast(case: Case) -> Iterator[Proposal]:
    """Gives the smaller side of an operation a last dimension, so that it is used for each row."""
    for node in case.failing(cst.BinaryOperation):
        for small, large in ((node.right, node.left), (node.left, node.right)):
            mine, other = case.shape_of(small), case.shape_of(large)
            if isinstance(small, cst.BaseNumber):
                continue
            if mine is not None and other is not None:
                if len(mine) + 1 == len(other) and mine == other[: len(mine)]:
                    edit = case.edit().replace(small, f"{case.atom(small)}.unsqueeze(-1)")
                    yield likely(edit, what=case.text(small))
            else:
                edit = case.edit().replace(small, f"{case.atom(small)}.unsqueeze(-1)")
                yield guess(edit, what=case.text(small))


@rewrite("transpose-to-broadcast", "broadcast-size-mismatch", grades=GUESS)
def transpose_to_broadcast(case: Case) -> Iterator[Proposal]:
    """Transposes one side of an operation whose sizes are those of the other, in other order."""
    for node in case.failing(cst.BinaryOperation):
        mine, other = case.shape_of(node.right), case.shape_of(node.left)
        if mine and other and len(mine) == 2 and mine[::-1] == other:
            edit = case.edit().replace(node.right, f"{case.atom(node.right)}.T")
            yield guess(edit, what=case.text(node.right))


@rewrite("expand-column", "expand-size-mismatch", grades=(Grade.LIKELY, Grade.GUESS))
def expand_column(case: Case) -> Iterator[Proposal]:
    """Makes a vector a column before it is expanded along the rows."""
    target, shape = case.shape("target"), case.shape("shape")
    for call in case.failing_calls("expand"):
        data = case.operand(call)
        if data is None:
            continue
        fits = target and shape and target[: len(shape)] == shape and len(target) == len(shape) + 1
        if fits or target is None:
            edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(-1)")
            yield (likely if fits else guess)(edit, what=case.text(data))
