"""What a loss is given: scores or probabilities, shapes that fit, one kind of numbers."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import torch

from sandbox.checks import graph, source
from sandbox.checks.notebook import Notebook, calm, is_float, line, readable
from sandbox.protocol import Check

_SOFTMAX = frozenset({"SoftmaxBackward0"})
_SIGMOID = frozenset({"SigmoidBackward0"})
_LOOKS_AT_MOST = 3
_DEPTH_AT_MOST = 12
_GRAPH_AT_MOST = 300
_BATCH_AT_LEAST = 4
_MIXED = -1
"""Stands for a batch of several classes."""


class Losses:
    """Looks at the arguments of losses, and at the graph of what is sent backward."""

    def __init__(self, book: Notebook) -> None:
        self._book = book
        self._looks: Counter[int | None] = Counter()
        self.targets: Counter[int] = Counter()
        """How often each class was a target in training."""
        self.scores = 0
        """How many classes the scores had in training."""
        self.batches: dict[int | None, list[int]] = {}
        """By line: the one class of each training batch, or _MIXED."""

    def cross_entropy(self, scores: Any, target: Any, *_: Any) -> None:
        """F.cross_entropy is called."""
        if not calm() or not is_float(scores) or scores.dim() < 2 or scores.size(1) < 2:
            return
        here = line()
        if graph.made_by(scores, _SOFTMAX) or self._are_probabilities(scores, here):
            self._book.report(
                Check.SOFTMAX_BEFORE_CROSS_ENTROPY, here, shape=str(list(scores.shape))
            )
        if scores.requires_grad and scores.dim() == 2:
            self.scores = scores.size(1)
            self._note_targets(target, here)

    def bce_with_logits(self, scores: Any, target: Any, *_: Any) -> None:
        """F.binary_cross_entropy_with_logits is called."""
        if not calm() or not is_float(scores):
            return
        here = line()
        if graph.made_by(scores, _SIGMOID):
            self._book.report(
                Check.SIGMOID_BEFORE_BCE_WITH_LOGITS, here, shape=str(list(scores.shape))
            )
        self._look_at_types(scores, target, here)

    def difference(self, output: Any, target: Any, *_: Any) -> None:
        """A loss that compares number by number is called, such as F.mse_loss."""
        if not calm() or not readable(output) or not readable(target):
            return
        here = line()
        self._look_at_types(output, target, here)
        if output.shape == target.shape:
            return
        common = _together(output.shape, target.shape)
        if common > max(output.numel(), target.numel()):
            self._book.report(
                Check.TARGET_BROADCAST,
                here,
                output=str(list(output.shape)),
                target=str(list(target.shape)),
            )

    def backward(self, tensors: Any, *_: Any) -> None:
        """A loss is sent backward."""
        loss = tensors if isinstance(tensors, torch.Tensor) else None
        here = line()
        if loss is None or not calm() or not is_float(loss) or self._looks[here] >= 6:
            return
        self._looks[here] += 1
        widened = loss.dtype is torch.float64
        single: torch.Tensor | None = None
        for step in graph.steps(loss, _GRAPH_AT_MOST):
            self._look_at_difference(step, here)
            if step.name.startswith("ToCopy"):
                # Converted by the learner's own word.
                widened = False
            elif (found := graph.leaf(step)) is not None and found.dtype is torch.float32:
                single = found
        if widened and single is not None and not self._book.has(Check.FLOAT64_CREEPS_IN):
            where = source.line_of_difference(self._book.tree) or here
            self._book.report(Check.FLOAT64_CREEPS_IN, where, loss="float64", parameters="float32")

    def _are_probabilities(self, scores: torch.Tensor, here: int | None) -> bool:
        """True when all rows are positive and add up to 1, and are no rows of 0 and 1."""
        self._looks[here] += 1
        if self._looks[here] > _LOOKS_AT_MOST:
            return False
        with torch.no_grad():
            rows = scores.detach().float()
            sums = rows.sum(1)
            return bool(
                (rows >= 0).all()
                and not ((rows == 0) | (rows == 1)).all()
                and (sums - 1).abs().max() < 1e-4
                and sums.numel() > 1
            )

    def _look_at_types(self, output: Any, target: Any, here: int | None) -> None:
        if (
            readable(target)
            and output.dtype is torch.float32
            and target.dtype is torch.float64
            and target.dim() > 0
        ):
            self._book.report(Check.FLOAT64_CREEPS_IN, here, output="float32", target="float64")

    def _look_at_difference(self, step: graph.Step, here: int | None) -> None:
        """Find `((a - b) ** 2).mean()` of shapes [N, 1] and [N]."""
        if step.name != "SubBackward0" or len(step.above) < 2:
            return
        measure, average = step.above
        if measure not in ("PowBackward0", "AbsBackward0") or average not in (
            "MeanBackward0",
            "SumBackward0",
        ):
            return
        result = graph.shape(step.node)
        if result is None or len(result) != 2 or result[0] != result[1] or result[0] < 2:
            return
        count = result[0]
        for below, _ in step.node.next_functions:
            if below is not None and graph.shape(below) in ((count, 1), (count,)):
                where = source.line_of_difference(self._book.tree) or here
                self._book.report(
                    Check.TARGET_BROADCAST,
                    where,
                    operand=str(list(graph.shape(below) or ())),
                    difference=str(list(result)),
                )

    def _note_targets(self, target: Any, here: int | None) -> None:
        if not readable(target) or target.dim() != 1 or target.dtype is not torch.int64:
            return
        with torch.no_grad():
            counts = torch.bincount(target.detach().clamp(min=0)).tolist()
        present = [kind for kind, count in enumerate(counts) if count]
        self.targets.update({kind: counts[kind] for kind in present})
        if target.numel() >= _BATCH_AT_LEAST:
            found = self.batches.setdefault(here, [])
            found.append(present[0] if len(present) == 1 else _MIXED)


def _together(first: torch.Size, second: torch.Size) -> int:
    """How many numbers two tensors have when they are broadcast; 0 where they cannot be."""
    pairs = itertools.zip_longest(reversed(first), reversed(second), fillvalue=1)
    sizes = [(a, b) for a, b in pairs]
    if any(a != b and 1 not in (a, b) for a, b in sizes):
        return 0
    return math.prod(max(a, b) for a, b in sizes)


def in_order(batches: list[int]) -> bool:
    """True for batches of one class each that come class by class."""
    pure = [each for each in batches if each != _MIXED]
    if len(pure) < 6 or len(pure) < 0.6 * len(batches):
        return False
    kinds = Counter(pure)
    changes = sum(a != b for a, b in itertools.pairwise(pure))
    common = [count for count in kinds.values() if count >= 0.1 * len(pure)]
    return len(common) >= 2 and changes <= 0.6 * len(pure)
