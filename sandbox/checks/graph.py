"""Reading the autograd graph of a loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

_THROUGH = frozenset(
    f"{name}Backward{number}"
    for name in (
        *("Alias", "AsStrided", "Clamp", "Clone", "Expand", "Index", "Permute", "ReshapeAlias"),
        *("Select", "Slice", "Squeeze", "T", "ToCopy", "Transpose", "UnsafeView", "Unsqueeze"),
        *("View", "Unflatten", "Contiguous"),
    )
    for number in (0, 1, 2, 3)
)
"""Operations that rearrange values and leave them what they are."""
_THROUGH_AT_MOST = 12
_LEAF = "torch::autograd::AccumulateGrad"


@dataclass(frozen=True)
class Step:
    """One operation of a graph, and those that use its result."""

    node: Any
    name: str
    above: tuple[str, ...]
    """Names of the operations between it and the loss, nearest first, at most two."""


def made_by(tensor: torch.Tensor, operations: frozenset[str]) -> bool:
    """True when the values of `tensor` come out of one of these operations."""
    node = tensor.grad_fn
    for _ in range(_THROUGH_AT_MOST):
        if node is None:
            return False
        name = node.name()
        if name in operations:
            return True
        if name not in _THROUGH or not node.next_functions:
            return False
        node = node.next_functions[0][0]
    return False


def steps(loss: torch.Tensor, most: int) -> Iterator[Step]:
    """The operations behind `loss`, nearest first, at most `most` of them."""
    if loss.grad_fn is None:
        return
    waiting: deque[tuple[Any, tuple[str, ...]]] = deque([(loss.grad_fn, ())])
    seen = {loss.grad_fn}
    while waiting and most:
        most -= 1
        node, above = waiting.popleft()
        name = node.name()
        yield Step(node, name, above)
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append((below, (name, *above[:1])))


def leaf(step: Step) -> torch.Tensor | None:
    """The tensor whose gradient is collected here; None for an operation."""
    if step.name != _LEAF:
        return None
    found: torch.Tensor = step.node.variable
    return found


def shape(node: Any) -> tuple[int, ...] | None:
    """The shape of what an operation gives."""
    described: tuple[Any, ...] = getattr(node, "_input_metadata", ())
    return tuple(described[0].shape) if len(described) == 1 else None
