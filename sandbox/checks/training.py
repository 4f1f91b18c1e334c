"""Optimizers, schedulers and loaders: who steps over what, when, in which order."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import SequentialSampler, TensorDataset

from sandbox import reading
from sandbox.checks.losses import Losses, in_order
from sandbox.checks.models import Models
from sandbox.checks.notebook import Notebook, calm, frames, line, readable, some
from sandbox.protocol import Check

_LABELS = ("targets", "labels", "target", "label", "y")
_CLASSES_AT_MOST = 100
_SCHEDULERS = "torch.optim.lr_scheduler"


@dataclass
class OptimizerRecord:
    """What is known of one optimizer."""

    optimizer: weakref.ref[Any]
    made: int | None
    """The learner's line that made it."""
    steps: int = 0
    line: int | None = None
    """The learner's line of its last step."""
    expected: dict[int, str] = field(default_factory=dict)
    """Parameters that want a gradient, by id, each with its shape."""
    served: set[int] = field(default_factory=set)
    """Those of them that ever had one."""
    names: dict[int, str] = field(default_factory=dict)
    """Names of the parameters that belong to a model which was called."""
    excused: set[int] = field(default_factory=set)
    """Parameters of layers that only ever ran without gradients."""
    early: int | None = None
    """Where its scheduler stepped before it."""


@dataclass
class LoaderRecord:
    """What is known of one DataLoader."""

    loader: weakref.ref[Any]
    made: int | None
    epochs: int = 0
    """Passes in which an optimizer stepped."""
    stepped: bool = False
    """True when an optimizer stepped in the current pass."""
    in_order: bool = False
    """True when it gives the samples as the dataset has them."""


class Training:
    """Follows the loop as a whole."""

    def __init__(self, book: Notebook, models: Models, losses: Losses) -> None:
        self._book, self._models, self._losses = book, models, losses
        self._optimizers: dict[int, OptimizerRecord] = {}
        self._loaders: dict[int, LoaderRecord] = {}
        self._loader: LoaderRecord | None = None
        self._last: LoaderRecord | None = None
        self._backwards = 0

    # --- Events -----------------------------------------------------------------------------------

    def optimizer(self, optimizer: Any, *_: Any) -> None:
        """An optimizer is made."""
        self._optimizers[id(optimizer)] = OptimizerRecord(weakref.ref(optimizer), line())

    def loader(self, loader: Any, *_: Any) -> None:
        """A DataLoader is made."""
        self._loaders[id(loader)] = LoaderRecord(weakref.ref(loader), line())

    def epoch(self, loader: Any) -> None:
        """A pass over a DataLoader begins."""
        self._loader = self._loaders.get(id(loader))
        if self._loader is not None:
            self._loader.stepped = False
            sampler = reading.own(loader).get("sampler")
            self._loader.in_order = type(sampler) is SequentialSampler

    def backward(self, *_: Any) -> None:
        """A loss is sent backward."""
        self._backwards += 1

    def schedule(self, scheduler: Any, *_: Any) -> None:
        """A scheduler steps."""
        record = self._optimizers.get(id(reading.own(scheduler).get("optimizer")))
        if record is None or record.steps or record.early is not None:
            return
        here = next(frames(), None)
        # The step that its own constructor makes does not count.
        if here is not None and _is_direct(here):
            record.early = here.f_lineno

    def step(self, optimizer: Any) -> None:
        """An optimizer has stepped."""
        record = self._optimizers.setdefault(
            id(optimizer), OptimizerRecord(weakref.ref(optimizer), None)
        )
        record.steps += 1
        record.line = line()
        for parameter in parameters_in(optimizer):
            if parameter.requires_grad and id(parameter) not in record.expected:
                record.expected[id(parameter)] = str(list(parameter.shape))
            if parameter.grad is not None:
                record.served.add(id(parameter))
        # Who only plots a schedule never goes backward.
        if self._backwards and record.early is not None:
            facts = {} if record.line is None else {"optimizer_step_in_line": record.line}
            self._book.report(Check.SCHEDULER_BEFORE_OPTIMIZER, record.early, **facts)
        if record.steps <= 2:
            self._name(record)
        if record.steps == 1:
            self._look_at_decay(optimizer, record)
        self._models.stepped(id(optimizer), record.expected)
        if self._loader is not None and not self._loader.stepped:
            self._loader.stepped = True
            self._loader.epochs += 1
            self._last = self._loader
            if self._loader.epochs == 1:
                self._look_at_order(self._loader)

    def finish(self) -> None:
        """The snippet has ended."""
        for record in self._optimizers.values():
            missing = set(record.expected) - record.served - record.excused
            if not record.steps or not self._backwards or not missing:
                continue
            known = [record.names[each] for each in missing if each in record.names]
            if known:
                self._book.report(
                    Check.PARAMETERS_WITHOUT_GRADIENT,
                    record.line,
                    parameters=some(sorted(known)),
                    steps=record.steps,
                )
            others = [record.expected[each] for each in missing if each not in record.names]
            if others:
                facts = {} if record.made is None else {"optimizer_made_in_line": record.made}
                self._book.report(
                    Check.OPTIMIZER_OVER_OTHER_PARAMETERS,
                    record.line,
                    shapes=some(others),
                    **facts,
                )
        self._look_at_batches()

    # --- Looking ----------------------------------------------------------------------------------

    def _name(self, record: OptimizerRecord) -> None:
        for name, parameter, module in self._models.parameters():
            record.names.setdefault(id(parameter), name)
            if self._models.ran_without_gradients_only(module):
                record.excused.add(id(parameter))
            else:
                record.excused.discard(id(parameter))

    def _look_at_decay(self, optimizer: Any, record: OptimizerRecord) -> None:
        usual = inspect.signature(type(optimizer).__init__).parameters.get("weight_decay")
        norms = {id(parameter): name for name, parameter in self._models.norm_parameters()}
        for group in optimizer.param_groups:
            decay = group.get("weight_decay", 0)
            if not isinstance(decay, int | float) or decay <= 0:
                continue
            # AdamW decays without being asked: only who sets it has chosen for all parameters.
            if usual is not None and decay == usual.default:
                continue
            hit = [norms[id(each)] for each in group["params"] if id(each) in norms]
            if hit:
                self._book.report(
                    Check.WEIGHT_DECAY_ON_NORM_OR_BIAS,
                    record.made,
                    parameters=some(hit),
                    weight_decay=float(decay),
                )

    def _look_at_order(self, record: LoaderRecord) -> None:
        loader = record.loader()
        if loader is None or not record.in_order or not calm():
            return
        stored = reading.own(loader)
        size = stored.get("batch_size")
        classes = _classes_in_order(stored.get("dataset"), size if type(size) is int else 0)
        if classes:
            self._book.report(Check.DATA_NOT_SHUFFLED, record.made, sorted_classes=classes)

    def _look_at_batches(self) -> None:
        """The same by what the loss was given, for data that cannot be looked at as a whole."""
        if not any(each.steps >= 6 for each in self._optimizers.values()):
            return
        record = self._last
        if record is not None and not record.in_order:
            return
        if self._book.has(Check.DATA_NOT_SHUFFLED):
            return
        for here, batches in self._losses.batches.items():
            if in_order(batches):
                pure = sum(each >= 0 for each in batches)
                self._book.report(
                    Check.DATA_NOT_SHUFFLED,
                    record.made if record is not None else here,
                    batches=len(batches),
                    of_one_class=pure,
                )


def parameters_in(optimizer: Any) -> Iterator[torch.Tensor]:
    """The plain tensors that an optimizer steps over."""
    for group in optimizer.param_groups:
        for each in group["params"]:
            if type(each) in (torch.Tensor, torch.nn.Parameter):
                yield each


def _is_direct(here: Any) -> bool:
    """True when the learner's own line calls the scheduler."""
    names = []
    for frame in _inner_frames():
        if frame is here:
            break
        names.append((frame.f_globals.get("__name__"), frame.f_code.co_name))
    own = [name for module, name in names if module == _SCHEDULERS]
    return "__init__" not in own and "_initial_step" not in own


def _inner_frames() -> Iterator[Any]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _classes_in_order(dataset: Any, batch: int) -> int:
    """How many classes a dataset of several batches has whose labels are sorted; else 0."""
    stored = reading.own(dataset)
    found = stored.get("tensors")
    if type(dataset) is TensorDataset and type(found) is tuple:
        labels = found[-1]
    else:
        labels = next((stored[name] for name in _LABELS if name in stored), None)
    if type(labels) is list and all(type(each) is int for each in labels):
        labels = torch.tensor(labels)
    if not readable(labels) or labels.numel() != labels.size(0) or labels.size(0) < 8:
        return 0
    if labels.size(0) <= batch:
        return 0
    with torch.no_grad():
        flat = labels.detach().reshape(-1)
        if flat.is_floating_point() and not bool((flat == flat.round()).all()):
            return 0
        classes = len(set(flat.tolist()))
        steps = flat.diff()
        ordered = bool((steps >= 0).all()) or bool((steps <= 0).all())
    few = 2 <= classes <= min(_CLASSES_AT_MOST, flat.numel() // 4)
    return classes if ordered and few else 0
