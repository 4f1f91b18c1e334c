"""Gradients: whether they are zeroed, reach every layer, stay finite and change something."""

from __future__ import annotations

import itertools
import math
import weakref
from dataclasses import dataclass, field
from typing import Any

import torch

from sandbox.checks import graph, source
from sandbox.checks.models import Models
from sandbox.checks.notebook import Notebook, all_finite, calm, is_float, line, sketch, some
from sandbox.checks.training import parameters_in
from sandbox.protocol import Check

_WALKS_AT_MOST = 12
_GRAPH_AT_MOST = 3_000
_LEAVES_AT_MOST = 24
_LEAVES_OF_A_WALK = 6
_STREAK = 2
"""Updates in a row without zeroing, after a first one, that make it no accident."""
_STARVED = 3
_STEPS_AT_MOST = 200
_HUGE = 1e6
"""A norm of all gradients together beyond which no rate of learning helps."""
_GROWN = 1e3
_LARGE = 1e4
_SHARE_OF_NOTHING = 1e-6
_DEEP = 4
"""Layers with weights, from which on gradients can vanish on their way."""
_OPERATIONS = {"LogBackward0": "log", "SqrtBackward0": "sqrt", "DivBackward0": "division"}
_ORPHANS_AT_MOST = 200
_ORPHAN_STEPS = 12


@dataclass
class _Leaf:
    """A tensor that collects a gradient, as it was when we last looked."""

    tensor: weakref.ref[torch.Tensor]
    grad: weakref.ref[torch.Tensor] | None = None
    version: int = 0
    data: float | None = None
    streak: int = 0
    line: int | None = None
    """Where its optimizer steps."""


@dataclass
class _Norms:
    """The size of the gradients of one optimizer, step by step."""

    sizes: list[float] = field(default_factory=list)
    huge: int = 0
    starved: int = 0
    """Steps in a row in which almost nothing reached the first layer."""


@dataclass
class _Orphan:
    """A parameter with a gradient that no optimizer holds."""

    parameter: weakref.ref[torch.Tensor]
    name: str
    data: float
    line: int | None


class Gradients:
    """Follows gradients from the loss to the step."""

    def __init__(self, book: Notebook, models: Models) -> None:
        self._book, self._models = book, models
        self._leaves: dict[int, _Leaf] = {}
        self._walks = 0
        self._norms: dict[int, _Norms] = {}
        self._orphans: dict[int, _Orphan] = {}
        self._held: set[int] = set()
        self._steps = 0

    # --- Events -----------------------------------------------------------------------------------

    def before_backward(self, tensors: Any, *_: Any) -> None:
        """A loss is sent backward."""
        loss = tensors if isinstance(tensors, torch.Tensor) else None
        if loss is None or not calm() or not is_float(loss):
            return
        here = line()
        with torch.no_grad():
            finite = all_finite(loss)
        if not finite:
            self._blame(loss, here)
        self._models.suspect = None
        if self._walks < _WALKS_AT_MOST:
            self._walks += 1
            found = (graph.leaf(step) for step in graph.steps(loss, _GRAPH_AT_MOST))
            for each in itertools.islice(filter(is_float, found), _LEAVES_OF_A_WALK):
                if len(self._leaves) < _LEAVES_AT_MOST:
                    self._leaves.setdefault(id(each), _Leaf(weakref.ref(each)))
        with torch.no_grad():
            for leaf in list(self._leaves.values()):
                self._compare(leaf, here)

    def after_backward(self) -> None:
        """The gradients are there."""
        for leaf in self._leaves.values():
            _remember(leaf)

    def step(self, optimizer: Any) -> None:
        """An optimizer has stepped."""
        self._steps += 1
        if self._steps > _STEPS_AT_MOST or not calm():
            return
        here = line()
        held = list(parameters_in(optimizer))
        for each in held:
            self._held.add(id(each))
            leaf = self._leaves.get(id(each))
            if leaf is not None:
                # Clipping has changed the gradient since.
                leaf.line = here
                _remember(leaf)
        with torch.no_grad():
            norms = self._norms.setdefault(id(optimizer), _Norms())
            self._measure(norms, held, here)
            if len(norms.sizes) <= _ORPHAN_STEPS:
                self._look_for_orphans(held, here)

    def finish(self) -> None:
        """The snippet has ended."""
        by_line: dict[int | None, list[str]] = {}
        for key, orphan in self._orphans.items():
            parameter = orphan.parameter()
            if parameter is not None:
                with torch.no_grad():
                    if sketch(parameter) != orphan.data:
                        continue
            if key not in self._held:
                by_line.setdefault(orphan.line, []).append(orphan.name)
        for here, names in by_line.items():
            self._book.report(Check.PARAMETERS_NEVER_CHANGE, here, parameters=some(names))

    # --- Never zeroed -----------------------------------------------------------------------------

    def _compare(self, leaf: _Leaf, here: int | None) -> None:
        """Before a backward: was the gradient left as it was, though the tensor has moved on?"""
        tensor = leaf.tensor()
        if tensor is None:
            return
        before = leaf.grad() if leaf.grad is not None else None
        if before is None or tensor.grad is not before or before._version != leaf.version:
            leaf.streak, leaf.data = 0, None
            return
        data = sketch(tensor)
        moved, leaf.data = leaf.data not in (None, data), data
        if not moved or not bool(before.any()):
            return
        leaf.streak += 1
        if leaf.streak >= _STREAK and not self._book.has(Check.GRADIENTS_NEVER_ZEROED):
            self._book.report(
                Check.GRADIENTS_NEVER_ZEROED, leaf.line or here, updates=leaf.streak + 2
            )

    # --- Not finite -------------------------------------------------------------------------------

    def _blame(self, loss: torch.Tensor, here: int | None) -> None:
        if self._book.has(Check.LOSS_NOT_FINITE):
            return
        value = str(loss.detach().item()) if loss.numel() == 1 else "not finite"
        suspect = self._models.suspect
        if suspect is not None:
            self._book.report(
                Check.LOSS_NOT_FINITE,
                suspect.line,
                loss=value,
                layer=suspect.layer,
                given=suspect.given,
            )
            return
        operation = _culprit(loss)
        where = None
        if operation == "division":
            where = source.line_of_division(self._book.tree)
        elif operation:
            where = source.line_of_call(self._book.tree, operation)
        facts = {"operation": operation} if operation else {}
        self._book.report(Check.LOSS_NOT_FINITE, where or here, loss=value, **facts)

    # --- Too large, too small ---------------------------------------------------------------------

    def _measure(self, norms: _Norms, held: list[torch.Tensor], here: int | None) -> None:
        grads = [each.grad for each in held if each.grad is not None and is_float(each.grad)]
        if not grads:
            return
        sizes = torch.stack(torch._foreach_norm([g.detach().float() for g in grads])).tolist()
        if any(math.isnan(size) for size in sizes):
            return
        total = math.hypot(*sizes)
        first = norms.sizes[0] if norms.sizes else total
        norms.sizes.append(total)
        grown = total > _LARGE and first > 0 and total / first > _GROWN
        norms.huge += total > _HUGE or grown
        if norms.huge >= 2:
            self._book.report(
                Check.GRADIENTS_EXPLODE,
                here,
                first_norm=_round(first),
                norm=_round(total),
                step=len(norms.sizes),
            )
        weights = [
            size for size, grad in zip(sizes, grads, strict=True) if grad.dim() >= 2
        ]  # fmt: skip
        most = max(weights, default=0.0)
        starved = len(weights) >= _DEEP and weights[0] < _SHARE_OF_NOTHING * most
        # The first step proves nothing: a branch that starts at zero opens with the second.
        norms.starved = norms.starved + 1 if starved and len(norms.sizes) > 1 else 0
        if norms.starved == _STARVED:
            self._book.report(
                Check.GRADIENTS_VANISH,
                here,
                first_layer=_round(weights[0]),
                largest=_round(most),
                layers=len(weights),
            )

    # --- Never changed ----------------------------------------------------------------------------

    def _look_for_orphans(self, held: list[torch.Tensor], here: int | None) -> None:
        """Parameters with a gradient beside an optimizer that does not know them."""
        known = {id(each) for each in held}
        parameters = [(name, each) for name, each, _ in self._models.parameters()]
        if not any(id(each) in known for _, each in parameters):
            return
        for name, each in parameters:
            if id(each) in self._held or each.grad is None or not each.requires_grad:
                continue
            data = sketch(each)
            orphan = self._orphans.get(id(each))
            if orphan is None or orphan.parameter() is not each:
                if len(self._orphans) < _ORPHANS_AT_MOST:
                    self._orphans[id(each)] = _Orphan(weakref.ref(each), name, data, here)
            elif orphan.data != data:
                # Somebody changes it without an optimizer.
                self._held.add(id(each))


def _remember(leaf: _Leaf) -> None:
    tensor = leaf.tensor()
    grad = tensor.grad if tensor is not None else None
    leaf.grad = weakref.ref(grad) if grad is not None else None
    leaf.version = grad._version if grad is not None else 0


def _culprit(loss: torch.Tensor) -> str:
    """The operation that was given a value for which it is not defined."""
    with torch.no_grad():
        for step in graph.steps(loss, _GRAPH_AT_MOST):
            operation = _OPERATIONS.get(step.name, "")
            saved = "_saved_other" if operation == "division" else "_saved_self"
            if step.name == "SqrtBackward0":
                saved = "_saved_result"
            value = getattr(step.node, saved, None) if operation else None
            if value is None or not is_float(value):
                continue
            if operation == "sqrt":
                bad = value.isnan().any()
            elif operation == "log":
                bad = (value <= 0).any()
            else:
                bad = (value == 0).any()
            if bool(bad):
                return operation
    return ""


def _round(value: float) -> float | str:
    return float(f"{value:.3g}") if math.isfinite(value) else "inf"
