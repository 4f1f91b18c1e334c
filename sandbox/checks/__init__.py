"""Check mode: looks for silent pitfalls of training while a snippet runs, and changes nothing.

What torch does is told to us by taps on its own functions (`instrument`), by its hook after
optimizer steps, and by the learner's variables at a backward (`keeping`). Each family of checks
listens to the events that it needs and writes into one `Notebook`. Nothing of this draws random
numbers, writes output or holds on to the learner's models. A snippet that fights it only loses its
warnings.
"""

from __future__ import annotations

import ast
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
import torch.nn.functional as functional
import torch.optim.lr_scheduler as schedulers
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from sandbox.checks import source
from sandbox.checks.gradients import Gradients
from sandbox.checks.instrument import Tap, tap
from sandbox.checks.keeping import Keeping
from sandbox.checks.losses import Losses
from sandbox.checks.models import Models
from sandbox.checks.notebook import Notebook
from sandbox.checks.training import Training
from sandbox.guest import SNIPPET
from sandbox.protocol import Finding

_COMPILERS = frozenset({"compile", "export", "make_fx", "symbolic_trace"})
"""Who uses these compiles torch's functions too, and must find them as they are."""

_NoTorchFunction = torch._C.DisableTorchFunction

TAPS: Final[dict[str, Tap | None]] = {
    **{
        name: tap("difference", getattr(functional, name))
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
    },
    "cross_entropy": tap("cross_entropy", functional.cross_entropy),
    "bce_with_logits": tap("bce_with_logits", functional.binary_cross_entropy_with_logits),
    "backward": tap("backward", torch.autograd.backward, after=True),
    "module": tap("module", torch.nn.Module._call_impl, after=True, result=True),
    "load": tap("load", torch.nn.Module.load_state_dict),
    "parameters": tap("parameters", torch.nn.Module.named_parameters),
    "optimizer": tap("optimizer", torch.optim.Optimizer.__init__),
    "loader": tap("loader", DataLoader.__init__),
    "epoch": tap("epoch", DataLoader.__iter__),
    **{
        kind.__name__: tap("schedule", kind.step)
        for kind in (
            schedulers.LRScheduler,
            schedulers.ReduceLROnPlateau,
            schedulers.SequentialLR,
            schedulers.ChainedScheduler,
            schedulers.CosineAnnealingWarmRestarts,
        )
    },
}
"""Where check mode listens; None where this version of torch is written in another way."""


class Watcher:
    """All checks of one run."""

    def __init__(self, tree: ast.Module) -> None:
        self._book = Notebook(tree)
        self._itself = os.getpid(), threading.get_ident()
        self._busy = False
        losses = Losses(self._book)
        models = Models(self._book, losses)
        training = Training(self._book, models, losses)
        gradients = Gradients(self._book, models)
        keeping = Keeping(self._book)
        self._finishers = (
            training.finish,
            gradients.finish,
            models.finish,
            keeping.finish,
        )
        self._listeners: dict[str, tuple[Callable[..., None], ...]] = {
            "difference_before": (losses.difference,),
            "cross_entropy_before": (losses.cross_entropy,),
            "bce_with_logits_before": (losses.bce_with_logits,),
            "backward_before": (
                training.backward,
                losses.backward,
                gradients.before_backward,
                keeping.backward,
            ),
            "backward_after": (gradients.after_backward,),
            "module_before": (models.before,),
            "module_result": (models.result,),
            "module_after": (models.after,),
            "optimizer_before": (training.optimizer,),
            "loader_before": (training.loader,),
            "epoch_before": (training.epoch,),
            "schedule_before": (training.schedule,),
            "load_before": (models.load,),
            "parameters_before": (models.asked,),
            "sized": (keeping.sized,),
            "step": (training.step, gradients.step),
        }

    def findings(self) -> Iterator[Finding]:
        """The warnings, by line, when the snippet has ended."""
        self._busy = True
        for finish in self._finishers:
            with contextlib.suppress(Exception), _NoTorchFunction():
                finish()
        yield from self._book.findings()

    def install(self) -> None:
        """Listen from now on, for the life of this process."""
        for each in TAPS.values():
            if each is not None:
                each.open(self._handler)
        tell = self._handler("step")
        register_optimizer_step_post_hook(lambda optimizer, *_: tell(optimizer))
        self._listen_to_constructor()

    def _handler(self, event: str) -> Callable[..., Any]:
        """What a tap calls: tells the listeners, and lets nothing out of them."""
        listeners = self._listeners[event]
        passes_on = event.endswith("_result")

        def tell(*given: Any) -> Any:
            if not self._busy and self._itself == (os.getpid(), threading.get_ident()):
                self._busy = True
                try:
                    # Neither modes nor classes of the snippet's see what we ask a tensor.
                    with _NoTorchFunction():
                        for listener in listeners:
                            with contextlib.suppress(Exception):
                                listener(*given)
                finally:
                    self._busy = False
            return given[0] if passes_on else None

        return tell

    def _listen_to_constructor(self) -> None:
        tell = self._handler("sized")

        def constructed(tensor: Any, *given: Any, **named: Any) -> None:
            if type(tensor).__init__ is not constructed:
                # A class of the learner's own that calls this one: it is to fail as it did.
                object.__init__(tensor, *given, **named)
            elif type(tensor) is torch.Tensor and len(given) == 1 and type(given[0]) is int:
                caller = sys._getframe(1)
                if caller.f_code.co_filename == SNIPPET:
                    tell(tensor, given[0], caller.f_lineno)

        setattr(torch.Tensor, "__init__", constructed)  # noqa: B010 - mypy refuses the assignment


def install(tree: ast.Module, source_text: str) -> Watcher:
    """Look for pitfalls from now on; `tree` is the snippet, and only read."""
    del source_text  # The tree says it all.
    watcher = Watcher(tree)
    if not _COMPILERS & source.names_used(tree):
        watcher.install()
    return watcher
