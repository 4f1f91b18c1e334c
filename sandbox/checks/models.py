"""Models while they are called: their mode, their layers, what goes in and what comes out."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sandbox import reading
from sandbox.checks import source
from sandbox.checks.losses import Losses
from sandbox.checks.notebook import (
    Notebook,
    all_finite,
    called_from,
    calm,
    frames,
    in_training,
    is_float,
    line,
    modules_of,
    parameters_of,
    some,
)
from sandbox.protocol import Check

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)
_FIRST_LAYERS = (nn.Linear, nn.modules.conv._ConvNd, nn.modules.rnn.RNNBase)
_INPUTS_AT_MOST = 2
_FAR = 20.0
"""Mean or spread of inputs beyond which training is known to suffer."""
_EVALUATED_AT_LEAST = 32
_STEPS_AT_LEAST = 30
_SHARE_AT_MOST = 0.9


@dataclass
class ModelRecord:
    """What is known of a model that the learner's code calls."""

    model: weakref.ref[Any]
    called: bool = False
    looked: bool = False
    """True when its layers were looked at."""
    inputs: int = 0
    """How many inputs were measured."""
    steps: int = 0
    """Steps of optimizers that hold some of its parameters."""
    loaded: bool = False
    """True when it was given what another model has learnt."""
    evaluated_at: int = -1
    """The number of steps before the evaluation that is being counted."""
    samples: int = 0
    classes: frozenset[int] = frozenset()
    """Classes that it predicted in that evaluation."""
    line: int | None = None


@dataclass
class _Call:
    """A call of a module that has not come back."""

    module: Any
    record: ModelRecord | None = None
    """None for a module inside another."""


@dataclass(frozen=True)
class Suspect:
    """The first layer that gave NaN or infinity out of sound input."""

    line: int | None
    layer: str
    given: str
    """What it was given: `finite input`, or `input that is not finite`."""


class Models:
    """Looks at every call of a module."""

    def __init__(self, book: Notebook, losses: Losses) -> None:
        self._book, self._losses = book, losses
        self._records: dict[int, ModelRecord] = {}
        self._calls: list[_Call] = []
        self._modes: dict[int, set[bool]] = {}
        self._entered = False
        self._given = "finite input"
        self._shares: dict[int, tuple[int, list[ModelRecord]]] = {}
        self._trained: set[int] = set()
        self._far: list[tuple[int, int | None, dict[str, float | str]]] = []
        self.suspect: Suspect | None = None

    # --- What others ask --------------------------------------------------------------------------

    def roots(self) -> Iterator[ModelRecord]:
        """The models that were called and are still there."""
        known = list(self._records.values())
        return (each for each in known if each.called and each.model() is not None)

    def parameters(self) -> Iterator[tuple[str, torch.nn.Parameter, Any]]:
        """Qualified name, parameter and module of all models that were called."""
        for record in self.roots():
            model = record.model()
            for name, parameter, module in parameters_of(model):
                # `weight` says little where several layers are called by themselves.
                own = reading.name_of(type(model))
                yield name if "." in name else f"{own}.{name}", parameter, module

    def norm_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The parameters of normalisation layers."""
        for name, parameter, module in self.parameters():
            if _is(module, _NORMS):
                yield name, parameter

    def ran_without_gradients_only(self, module: Any) -> bool:
        """True for a layer that was called, and each time under no_grad or the like."""
        return self._modes.get(id(module)) == {False}

    # --- Events -----------------------------------------------------------------------------------

    def stepped(self, optimizer: int, parameters: Collection[int]) -> None:
        """The optimizer with this id has stepped over the parameters with these ids."""
        size = sum(1 for _ in self.roots()) + len(parameters)
        known, models = self._shares.get(optimizer, (0, []))
        if known != size:
            models = []
            for record in self.roots():
                own = [id(each) for _, each, _ in parameters_of(record.model())]
                hit = [each for each in own if each in parameters]
                if hit:
                    models.append(record)
                    self._trained.update(hit)
            self._shares[optimizer] = size, models
        for record in models:
            record.steps += 1

    def load(self, module: Any, *_: Any) -> None:
        """A model is given the state of another."""
        self._record(module).loaded = True

    def asked(self, module: Any, *_: Any) -> None:
        """Somebody asks a model for its parameters."""
        record = self._record(module)
        # A model that is being built may still register what it has in a list.
        if not record.looked and not any(each.f_code.co_name == "__init__" for each in frames()):
            record.looked = True
            self._look_at_layers(module)

    def before(self, module: Any, args: tuple[Any, ...], _: Any) -> None:
        """A module is called."""
        call = _Call(module)
        self._calls.append(call)
        if len(self._calls) == 1:
            self._entered = False
            call.record = self._begin(module)
        if reading.registered(module, "_parameters"):
            self._modes.setdefault(id(module), set()).add(torch.is_grad_enabled())
            if not self._entered:
                self._entered = True
                self._look_at_input(module, args)

    def result(self, result: Any) -> None:
        """The module that was called last gives its result."""
        call = self._calls[-1]
        value = result[0] if type(result) is tuple and result else result
        if not calm() or not is_float(value):
            return
        if call.record is not None:
            self._look_at_classes(call.module, call.record, value)
        leaf = not reading.registered(call.module, "_modules")
        if torch.is_grad_enabled() and self.suspect is None and (leaf or call.record is not None):
            with torch.no_grad():
                if not all_finite(value):
                    self.suspect = Suspect(line(), self._name(call.module), self._given)

    def after(self) -> None:
        """The module that was called last is left."""
        self._calls.pop()

    def finish(self) -> None:
        """The snippet has ended."""
        for parameter, here, facts in self._far:
            if parameter in self._trained:
                self._book.report(Check.DATA_NOT_NORMALISED, here, **facts)
        targets = self._losses.targets
        varied = len(targets) >= 2 and max(targets.values()) < _SHARE_AT_MOST * targets.total()
        for record in self._records.values():
            if (
                varied
                and len(record.classes) == 1
                and record.samples >= _EVALUATED_AT_LEAST
                and record.steps >= _STEPS_AT_LEAST
            ):
                self._book.report(
                    Check.ONE_CLASS_ONLY,
                    record.line,
                    predicted=next(iter(record.classes)),
                    samples=record.samples,
                    classes=self._losses.scores,
                )

    # --- Looking ----------------------------------------------------------------------------------

    def _begin(self, module: Any) -> ModelRecord:
        record = self._record(module)
        record.called = True
        if not record.looked:
            record.looked = True
            self._look_at_layers(module)
        if not torch.is_grad_enabled() and in_training(module) and (record.steps or record.loaded):
            self._look_at_mode(module)
        return record

    def _record(self, module: Any) -> ModelRecord:
        record = self._records.get(id(module))
        if record is None or record.model() is not module:
            record = self._records[id(module)] = ModelRecord(weakref.ref(module))
        return record

    def _look_at_layers(self, root: Any) -> None:
        registered = {id(module) for _, module in modules_of(root)}
        known = {id(parameter) for _, parameter, _ in parameters_of(root)}
        for _, module in modules_of(root):
            for attribute, value in reading.own(module).items():
                if attribute.startswith("_") and attribute.endswith(("hooks", "_modules")):
                    continue
                lost = [
                    each
                    for each in _members(value)
                    if id(each) not in registered and _learns(each, known)
                ]
                if lost:
                    kind = reading.name_of(type(module))
                    self._book.report(
                        Check.LAYERS_NOT_REGISTERED,
                        source.line_of_attribute(self._book.tree, kind, attribute) or line(),
                        attribute=f"self.{attribute}",
                        layers=some([reading.name_of(type(each)) for each in lost]),
                    )

    def _look_at_mode(self, root: Any) -> None:
        # Two optimizers take turns: one model's output is made without gradients for the other.
        if len(self._shares) > 1 or called_from("torch.optim.swa_utils"):
            return
        moody = [name for name, module in modules_of(root) if _depends_on_mode(module)]
        if moody:
            self._book.report(
                Check.TRAIN_MODE_IN_EVALUATION, line(), layers=some(moody) or type(root).__name__
            )

    def _look_at_input(self, module: Any, args: tuple[Any, ...]) -> None:
        """Measure what goes into the first layer."""
        self._given = "finite input"
        record = self._calls[0].record
        value = args[0] if args else None
        if record is None or not torch.is_grad_enabled() or not calm():
            return
        if not is_float(value):
            return
        with torch.no_grad():
            if self.suspect is None and not all_finite(value):
                self._given = "input that is not finite"
            if record.inputs >= _INPUTS_AT_MOST or value.requires_grad:
                return
            record.inputs += 1
            if not _is(module, _FIRST_LAYERS) or value.numel() < 2:
                return
            spread, mean = (float(each) for each in torch.std_mean(value.detach().float()))
        if max(abs(mean), spread) > _FAR:
            weight = next(iter(reading.registered(module, "_parameters").values()))
            facts: dict[str, float | str] = {
                "mean": round(mean, 3),
                "std": round(spread, 3),
                "layer": self._name(module),
            }
            self._far.append((id(weight), line(), facts))

    def _look_at_classes(self, module: Any, record: ModelRecord, scores: torch.Tensor) -> None:
        """Count the classes that are predicted in evaluation."""
        if torch.is_grad_enabled() and in_training(module):
            return
        if scores.dim() != 2 or scores.size(1) != self._losses.scores or not record.steps:
            return
        if record.evaluated_at != record.steps:
            record.evaluated_at, record.samples, record.classes = record.steps, 0, frozenset()
        record.samples += scores.size(0)
        record.line = line()
        if len(record.classes) < 2:
            with torch.no_grad():
                found = set(scores.detach().argmax(1).tolist())
            record.classes |= frozenset(found)

    def _name(self, module: Any) -> str:
        """`fc1 (Linear)`, by the model that is being called."""
        kind = reading.name_of(type(module))
        root = self._calls[0].module
        name = next((name for name, each in modules_of(root) if each is module), "")
        return f"{name} ({kind})" if name else kind


def _is(module: Any, kinds: tuple[type, ...]) -> bool:
    return any(kind in reading.mro(module) for kind in kinds)


def _members(value: Any) -> Iterator[Any]:
    """The modules and parameters in a plain container."""
    kind = type(value)
    if kind in (list, tuple, set):
        members = list(value)
    elif kind is dict:
        members = list(value.values())
    else:
        return
    for each in members:
        if nn.Module in reading.mro(each) or type(each) is nn.Parameter:
            yield each
        elif type(each) in (list, tuple):
            yield from (one for one in each if nn.Module in reading.mro(one))


def _learns(lost: Any, known: Container[int]) -> bool:
    """True for what has parameters to be learnt that the model does not know."""
    if type(lost) is nn.Parameter:
        return lost.requires_grad and id(lost) not in known
    return any(each.requires_grad and id(each) not in known for _, each, _ in parameters_of(lost))


def _depends_on_mode(module: Any) -> bool:
    """True for a layer that now computes otherwise than in evaluation."""
    if not in_training(module):
        return False
    stored = reading.own(module)
    if _is(module, (nn.modules.dropout._DropoutNd,)):
        return bool(stored.get("p", 0) > 0)
    if _is(module, (nn.modules.batchnorm._BatchNorm,)):
        return stored.get("track_running_stats") is True
    if _is(module, (nn.modules.rnn.RNNBase, nn.MultiheadAttention)):
        return bool(stored.get("dropout", 0) > 0)
    return False
