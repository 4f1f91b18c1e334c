"""What all checks share: the findings, the learner's lines, and reading tensors safely."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterator
from typing import Any, TypeGuard

import torch

from sandbox import reading
from sandbox.guest import SNIPPET
from sandbox.protocol import FINDINGS_AT_MOST, Check, Finding

_TEXT_AT_MOST = 200
_NAMES_SHOWN = 4
_MODULES_AT_MOST = 5_000
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_tracing = torch._C._get_tracing_state
_dispatch_modes = torch._C._len_torch_dispatch_stack
_transforming = torch._C._are_functorch_transforms_active
_profiling = torch._C._autograd._profiler_enabled


class Notebook:
    """The findings of one run: each kind once per place."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._found: dict[tuple[Check, int | None], Finding] = {}

    def report(self, check: Check, line: int | None, **facts: float | int | str) -> None:
        """Note a finding, unless the same was found at this line before."""
        if (check, line) in self._found or len(self._found) >= FINDINGS_AT_MOST:
            return
        cut = {
            name: reading.clean(fact, _TEXT_AT_MOST) if isinstance(fact, str) else fact
            for name, fact in facts.items()
        }
        self._found[check, line] = Finding(check=check, line=line, facts=cut)

    def has(self, check: Check) -> bool:
        """True when this kind was found at some line."""
        return any(kind is check for kind, _ in self._found)

    def findings(self) -> list[Finding]:
        """All findings, by line."""
        return sorted(self._found.values(), key=lambda each: (each.line or 0, each.check.value))


# --- The learner's lines --------------------------------------------------------------------------


def frames() -> Iterator[types.FrameType]:
    """The frames that are the learner's own, innermost first."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == SNIPPET:
            yield frame
        frame = frame.f_back


def line() -> int | None:
    """The learner's line that is being executed."""
    frame = next(frames(), None)
    return frame.f_lineno if frame is not None else None


def called_from(module: str) -> bool:
    """True when code of the module of this name is running."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            return True
        frame = frame.f_back
    return False


# --- Tensors --------------------------------------------------------------------------------------


def calm() -> bool:
    """False while operations of ours would become a part of what the snippet looks at."""
    return not (
        _dispatch_modes() or _transforming() or _profiling() or _tracing() is not None
    )  # fmt: skip


def readable(value: Any) -> TypeGuard[torch.Tensor]:
    """True for an ordinary tensor with values."""
    return (
        type(value) in _PLAIN
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and value.numel() > 0
    )


def is_float(value: Any) -> TypeGuard[torch.Tensor]:
    """True for a readable tensor of real floating-point numbers."""
    return readable(value) and value.is_floating_point()


def all_finite(tensor: torch.Tensor) -> bool:
    """True when no value is NaN or infinite. Without gradients only."""
    # The sum is the cheap question; only a sum that overflowed needs the expensive one.
    total = tensor.detach().sum(dtype=torch.float32 if tensor.dtype.itemsize < 4 else None)
    return bool(total.isfinite()) or bool(tensor.detach().isfinite().all())


def sketch(tensor: torch.Tensor) -> float:
    """A number that changes when the tensor does, as good as always. Without gradients only."""
    flat = tensor.detach().reshape(-1)
    few = flat if flat.numel() <= 4096 else flat[:: flat.numel() // 2048]
    return float(few.double().sum())


# --- Modules --------------------------------------------------------------------------------------


def modules_of(root: Any) -> Iterator[tuple[str, Any]]:
    """Qualified name and module of everything below `root`, itself first."""
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting and len(seen) < _MODULES_AT_MOST:
        name, module = waiting.pop()
        if id(module) in seen or torch.nn.Module not in reading.mro(module):
            continue
        seen.add(id(module))
        yield name, module
        prefix = f"{name}." if name else ""
        children = reading.registered(module, "_modules").items()
        waiting += [(f"{prefix}{key}", child) for key, child in reversed(children)]


def parameters_of(root: Any) -> Iterator[tuple[str, torch.nn.Parameter, Any]]:
    """Qualified name, parameter and module of all that `root` learns."""
    for name, module in modules_of(root):
        prefix = f"{name}." if name else ""
        for key, parameter in reading.registered(module, "_parameters").items():
            yield f"{prefix}{key}", parameter, module


def in_training(module: Any) -> bool:
    """What `module.training` holds."""
    return reading.own(module).get("training") is True


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown}, … ({len(names)})"
