"""One value of a snippet that failed, as data: a tensor's figures, a module's declared sizes."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sandbox import reading
from sandbox.protocol import NAME_AT_MOST, TEXT_AT_MOST, Thing, ThingKind

_COUNTED_AT_MOST = 1_000_000
"""The most values whose least, greatest and NaNs are looked for."""
_SHOWN_TEXT = 80
_SHOWN_ITEMS = 4
_SIMPLE = (bool, int, float, str, type(None), torch.dtype, torch.device)
_SKIPPED = (
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    torch.dtype,
    torch.device,
)
# Taken now: a snippet may replace any of them in its own copy of torch.
_base = torch._C.TensorBase.__dict__
_NoTorchFunction = torch._C.DisableTorchFunction
_NoDispatch = torch._C._DisableTorchDispatch
_no_grad = torch.no_grad
_aminmax, _isnan, _isfinite = torch.aminmax, torch.isnan, torch.isfinite
_strided = torch.strided
_nbytes = torch.UntypedStorage.nbytes
_array = numpy.ndarray.__dict__
_MODULES = {
    each: each.extra_repr
    for each in vars(torch.nn).values()
    if isinstance(each, type) and issubclass(each, torch.nn.Module)
}


def describe(
    name: str, value: Any, device_of: Callable[[torch.Tensor], str] | None = None
) -> Thing | None:
    """`value` as a thing called `name`; None for what helps nobody, such as functions.

    `device_of` tells the device of a tensor where devices are simulated.
    """
    kind, classes = type(value), reading.mro(value)
    if type in classes or any(each in classes for each in _SKIPPED):
        return None
    name = reading.clean(name, NAME_AT_MOST)
    shown = reading.name_of(kind)
    if torch.Tensor in classes:
        return _tensor(name, shown, value, device_of)
    if torch.nn.Module in classes:
        text = _module_text(value)
        return Thing(name=name, kind=ThingKind.MODULE, type=shown, text=text)
    if kind in (bool, int, float, complex):
        text = reading.clean(_number(value), TEXT_AT_MOST)
        return Thing(name=name, kind=ThingKind.NUMBER, type=shown, text=text)
    if DataLoader in classes:
        return Thing(name=name, kind=ThingKind.LOADER, type=shown, text=_loader_text(value))
    if Dataset in classes:
        return Thing(name=name, kind=ThingKind.DATASET, type=shown, text=_dataset_text(value))
    if kind is numpy.ndarray:
        return Thing(
            name=name,
            kind=ThingKind.OTHER,
            type=shown,
            shape=_array["shape"].__get__(value),
            dtype=reading.clean(_array["dtype"].__get__(value).name, NAME_AT_MOST),
        )
    text = reading.clean(_plain_text(value), TEXT_AT_MOST)
    return Thing(name=name, kind=ThingKind.OTHER, type=shown, text=text)


# --- Tensors --------------------------------------------------------------------------------------


def _tensor(
    name: str, shown: str, value: Any, device_of: Callable[[torch.Tensor], str] | None
) -> Thing:
    if reading.dispatches(type(value)) or reading.is_uninitialized(value):
        return Thing(name=name, kind=ThingKind.TENSOR, type=shown)
    # The functions of a subclass, and the modes that a snippet left on, are its own code.
    with _NoTorchFunction(), _NoDispatch(), _no_grad():
        least, greatest, nans = _figures(value)
        device = device_of(value) if device_of is not None else str(_base["device"].__get__(value))
        return Thing(
            name=name,
            kind=ThingKind.TENSOR,
            type=shown,
            shape=tuple(_base["shape"].__get__(value)),
            dtype=str(_base["dtype"].__get__(value)).removeprefix("torch."),
            device=reading.clean(device, NAME_AT_MOST),
            requires_grad=_base["requires_grad"].__get__(value),
            is_leaf=_base["is_leaf"].__get__(value),
            contiguous=_contiguous(value),
            minimum=least,
            maximum=greatest,
            nans=nans,
        )


def _contiguous(value: Any) -> bool | None:
    if _base["layout"].__get__(value) is not _strided:
        return None
    return bool(_base["is_contiguous"](value))


def _figures(value: Any) -> tuple[float | None, float | None, int | None]:
    """Least and greatest finite value and the number of NaNs, where they are cheap to find."""
    count = _base["numel"](value)
    if not 0 < count <= _COUNTED_AT_MOST or not _readable(value):
        return None, None, None
    try:
        values = _base["detach"](value)
        low, high = (float(_base["item"](each)) for each in _aminmax(values))
        if low - low == high - high == 0:
            return low, high, 0
        nans = int(_base["item"](_base["sum"](_isnan(values))))
        finite = _base["__getitem__"](values, _isfinite(values))
        if not _base["numel"](finite):
            return None, None, nans
        low, high = (float(_base["item"](each)) for each in _aminmax(finite))
        return low, high, nans
    except (RuntimeError, NotImplementedError, OverflowError):
        # A type that has no order, or no memory left for it.
        return None, None, None


def _readable(value: Any) -> bool:
    """True for real numbers that lie whole in the memory of this process."""
    if _base["layout"].__get__(value) is not _strided or _base["is_meta"].__get__(value):
        return False
    if not _base["is_cpu"].__get__(value) or _base["is_quantized"].__get__(value):
        return False
    if _base["is_complex"](value):
        return False
    ends = zip(_base["shape"].__get__(value), _base["stride"](value), strict=True)
    last = _base["storage_offset"](value) + sum((size - 1) * step for size, step in ends)
    # A storage can be cut below what its tensors span; reading there would end the process.
    held = _nbytes(_base["untyped_storage"](value))
    return bool((last + 1) * _base["element_size"](value) <= held)


# --- Everything else ------------------------------------------------------------------------------


def _number(value: Any) -> str:
    if type(value) is int and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)


def _module_text(value: Any) -> str:
    """Declared sizes of torch's own layers; how many children and parameters others have."""
    declared = _MODULES.get(type(value))
    settings = [each for name, each in reading.own(value).items() if not name.startswith("_")]
    plain = reading.is_plain_module(value) and all(map(_is_simple, settings))
    if declared is not None and plain:
        text = declared(value)
        if type(text) is str and text:
            return reading.clean(text, TEXT_AT_MOST)
    children = len(reading.registered(value, "_modules"))
    parameters = sum(map(reading.numel, reading.registered(value, "_parameters").values()))
    own = f", parameters={parameters}" if parameters else ""
    return f"children={children}{own}" if children or own else ""


def _is_simple(value: Any, depth: int = 0) -> bool:
    """True for values whose text is Python's and torch's own work, and short."""
    kind = type(value)
    if kind in (tuple, list, torch.Size):
        return len(value) <= 16 and depth < 2 and all(_is_simple(each, depth + 1) for each in value)
    if kind is int:
        return bool(value.bit_length() <= 256)
    return kind in _SIMPLE


def _loader_text(value: Any) -> str:
    names = reading.own(value)
    settings = ("batch_size", "num_workers", "drop_last")
    parts = [
        f"{name}={names[name]!r}" for name in settings if name in names and _is_simple(names[name])
    ]
    size = _length(names.get("dataset", reading.MISSING))
    return ", ".join(parts if size is None else [*parts, f"len(dataset)={size}"])


def _dataset_text(value: Any) -> str:
    size = _length(value)
    return "" if size is None else f"len {size}"


def _length(value: Any) -> int | None:
    """The length of a plain container, a tensor, or a dataset of torch's own over tensors."""
    if type(value) in (list, tuple, dict, str):
        return len(value)
    if type(value) is TensorDataset:
        tensors = reading.own(value).get("tensors")
        return _length(tensors[0]) if type(tensors) is tuple and tensors else None
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        with _NoTorchFunction():
            shape = _base["shape"].__get__(value)
        return int(shape[0]) if len(shape) else None
    return None


def _plain_text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return repr(value if len(value) <= _SHOWN_TEXT else value[:_SHOWN_TEXT] + "…")
    if kind in (list, tuple):
        parts = [_brief(each) for each in value[:_SHOWN_ITEMS]]
        more = ", …" if len(value) > _SHOWN_ITEMS else ""
        return f"len {len(value)}: {', '.join(parts)}{more}" if parts else "len 0"
    if kind in (dict, set, frozenset):
        return f"len {len(value)}"
    return ""


def _brief(value: Any) -> str:
    """The class of a part, and its shape where it is a tensor."""
    shown = reading.name_of(type(value))
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        with _NoTorchFunction():
            return f"{shown} {list(_base['shape'].__get__(value))}"
    return shown
