"""Rewrites for a single picture that stands where a network wants a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, Case, Proposal, likely, rewrite
from bot.rewrites.layers import constructors
from bot.rewrites.source import called, expressions
from bot.rewrites.spots import inputs

_CONVS: Final = ("Conv1d", "Conv2d", "Conv3d")
_MAKING: Final = frozenset({"rand", "randn", "zeros", "ones", "empty"})


def _wanted(case: Case) -> int | None:
    """The dimensions of one sample for the convolutions of the code, without a batch."""
    found = {int(called(call)[4]) + 1 for call in constructors(case, *_CONVS)}
    return found.pop() if len(found) == 1 else None


def _dimensions(case: Case, data: cst.BaseExpression) -> int | None:
    """How many dimensions an input has: as seen, or as it is made."""
    shape = case.shape_of(data)
    if shape is not None:
        return len(shape)
    value = case.names.value(data)
    if isinstance(value, cst.Call) and called(value) in _MAKING:
        sizes = [arg.value for arg in value.args if arg.keyword is None]
        if len(sizes) == 1 and isinstance(sizes[0], cst.Tuple | cst.List):
            sizes = [element.value for element in sizes[0].elements]
        return len(sizes)
    return None


def _seen_by_layer(case: Case) -> int | None:
    """The dimensions that reached the first convolution, as the way of the data reports them."""
    layers = case.fault.scene.layers if case.fault.scene is not None else ()
    for layer in layers:
        if layer.type in _CONVS and re.fullmatch(r"\[[\d, ]+\]", layer.input):
            return layer.input.count(",") + 1
    return None


def single_samples(case: Case) -> list[cst.BaseExpression]:
    """The inputs of a convolutional network that are one sample without a batch."""
    wanted = _wanted(case)
    if wanted is None:
        return []
    seen = _seen_by_layer(case)
    found = []
    for data in inputs(case):
        here = _dimensions(case, data)
        outer = case.method is None or all(
            data not in expressions(call) for call in case.failing(cst.Call)
        )
        if here == wanted or (here is None and seen == wanted and outer):
            found.append(data)
    return found


@rewrite("one-as-batch", "matmul-shape-mismatch", grades=LIKELY)
def one_as_batch(case: Case) -> Iterator[Proposal]:
    """Makes a single picture a batch of one, so that its channels are not taken for samples."""
    for data in single_samples(case):
        edit = case.edit().replace(data, f"{case.atom(data)}.unsqueeze(0)")
        yield likely(edit, what=case.text(data))
