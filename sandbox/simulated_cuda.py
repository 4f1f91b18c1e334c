"""A machine with one CUDA device, simulated: everything is computed on the CPU, and what a learner
sees of devices, errors included, is what a GPU would show.

A TorchFunctionMode sees every call of torch from Python. It lets operations run, refuses those
whose tensors lie on two devices, and marks what they return. What it cannot carry is in
docs/decisions/0009-simulated-cuda.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device as torch_device

from sandbox import cuda_stand_in, placement
from sandbox.placement import (
    CPU,
    CUDA,
    common_place,
    device_of,
    indexing_refusal,
    mark,
    place_of,
    refusal,
    tensors_in,
)

__all__ = ["device_of", "install"]

_FREE = frozenset(
    {
        "__deepcopy__",
        "__format__",
        "__reduce_ex__",
        "_has_compatible_shallow_copy_type",
        "broadcast_tensors",
        "can_cast",
        "copy_",
        "ctc_loss",
        "expand_as",
        "grad",
        "is_same_size",
        "is_set_to",
        "register_hook",
        "reshape_as",
        "result_type",
        "set_",
        "tensor_split",
        "view_as",
    }
)
"""Functions that take tensors of several devices; what they return lies where the first does."""
_LIKE = frozenset(
    {
        "empty_like",
        "full_like",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "new_ones",
        "new_tensor",
        "new_zeros",
        "ones_like",
        "rand_like",
        "randint_like",
        "randn_like",
        "zeros_like",
    }
)
_SHARING = frozenset({"as_tensor", "asarray"})
"""Functions that make a tensor, and may take over the memory of what they are given."""
_CONVOLUTION = re.compile(r"conv(_transpose)?\dd")
_IN_PLACE = re.compile(r"__i\w+__|[a-z]\w*[^_]_")

_Arguments = tuple[Any, ...]
_Handler = Callable[["_Simulation", Any, _Arguments, dict[str, Any]], Any]


class _Simulation(TorchFunctionMode):
    """Sees every call of torch. While one is handled, the mode is off."""

    def __torch_function__(
        self, func: Any, types: Any, args: _Arguments = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        handler = _HANDLERS.get(func)
        if handler is not None:
            return handler(self, func, args, kwargs)
        name = getattr(func, "__name__", "")
        if name in _FREE or name.startswith("_foreach_"):
            first = next(tensors_in(args), None)
            return mark(func(*args, **kwargs), first if first is None else place_of(first))
        if name in _LIKE or func in _MAKERS or kwargs.get("device") is not None:
            return _made(name, func, args, kwargs)
        return _computed(name, func, args, kwargs)


def _computed(name: str, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    """An operation whose tensors have to lie on one device."""
    tensors = [*tensors_in(args), *tensors_in(kwargs)]
    if not tensors:
        return func(*args, **kwargs)
    place, at_one = common_place(tensors, written=0 if _IN_PLACE.fullmatch(name) else -1)
    if not at_one:
        if _CONVOLUTION.fullmatch(name):
            # torch looks at the shapes of a convolution before it looks at the devices.
            func(*args, **kwargs)
        raise refusal(name, args, kwargs)
    _check_generator(place, kwargs.get("generator"))
    return mark(func(*args, **kwargs), place)


def _check_generator(place: str | None, generator: Any) -> None:
    if generator is None or place is None:
        return
    wanted, found = torch.device(place).type, generator.device.type
    if wanted != found:
        raise RuntimeError(f"Expected a '{wanted}' device type for generator but found '{found}'")


# --- Making and moving ----------------------------------------------------------------------------


def _named(device: Any) -> str | None:
    """The place that `device` names; None for a device that is not simulated.

    Raises what torch raises for a device that is not there.
    """
    if isinstance(device, int):
        cuda_stand_in.index_of(device)
        return CUDA
    device = torch.device(device)
    if device.type == "cuda":
        cuda_stand_in.index_of(device)
        return CUDA
    return CPU if device.type == "cpu" else None


def _made(name: str, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    """A function that makes a tensor, on the device that is asked for."""
    first = args[0] if args and isinstance(args[0], torch.Tensor) else None
    device = kwargs.get("device")
    if device is None and first is not None:
        place: str | None = device_of(first)
    elif device is None and name not in _LIKE and torch_device.CURRENT_DEVICE is not None:
        place = _named(torch_device.CURRENT_DEVICE)
    else:
        place = CPU if device is None else _named(device)
    if place not in (CPU, CUDA):
        return func(*args, **kwargs)
    _check_generator(place, kwargs.get("generator"))
    result = func(*args, **{**kwargs, "device": "cpu"})
    if name in _SHARING and place_of(result) != place:
        given = args[0] if args else None
        if place == CUDA or isinstance(given, torch.Tensor):
            result = result.detach().clone()
    return mark(result, place)


def _moved(tensor: torch.Tensor, place: str, func: Any, *args: Any, **kwargs: Any) -> Any:
    """`tensor` at another place, by torch's own `to` so that it does all else that is asked."""
    if device_of(tensor) != place:
        kwargs["copy"] = True
    return mark(func(tensor, *args, **kwargs), place)


def _to(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    tensor, *rest = args
    named = dict(kwargs)
    other = named.pop("other", None)
    if rest and isinstance(rest[0], torch.Tensor):
        other = rest.pop(0)
    if other is not None:
        named["dtype"] = torch.Tensor.dtype.__get__(other)  # type: ignore[attr-defined]
        wanted: Any = device_of(other)
    elif rest and isinstance(rest[0], str | torch.device | int) and not isinstance(rest[0], bool):
        wanted = rest.pop(0)
    else:
        wanted = named.pop("device", None)
    place = device_of(tensor) if wanted is None else _named(wanted)
    if place not in (CPU, CUDA):
        return func(*args, **kwargs)
    if len(rest) > 2:
        # to(device, dtype, non_blocking, copy)
        named["copy"] = rest.pop(2)
    return (
        _moved(tensor, place, func, "cpu", *rest, **named)
        if wanted is not None
        else mark(func(*args, **kwargs), place)
    )


def _cuda(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    device = args[1] if len(args) > 1 else kwargs.get("device")
    if device is not None and not isinstance(device, int) and torch.device(device).type != "cuda":
        raise ValueError(f"Invalid device, must be cuda device, but got {device}")
    cuda_stand_in.index_of(device)
    return _moved(args[0], CUDA, torch.Tensor.to, "cpu")


def _cpu(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    return _moved(args[0], CPU, torch.Tensor.to, "cpu")


def _type(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    wanted = args[1] if len(args) > 1 else kwargs.get("dtype")
    if wanted is None:
        return placement.type_name(args[0])
    place = device_of(args[0])
    if not isinstance(wanted, str | torch.dtype):
        wanted = f"{wanted.__module__}.{wanted.__name__}"
    if isinstance(wanted, str):
        place = CUDA if wanted.startswith("torch.cuda.") else CPU
        plain = wanted.replace("torch.cuda.", "torch.")
        result = func(args[0], plain)
        return mark(result.clone() if place_of(result) != place else result, place)
    return mark(func(*args, **kwargs), place)


def _type_as(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    return _to(mode, torch.Tensor.to, args[:2], {})


def _pinned(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    if place_of(args[0]) == CUDA:
        kind = placement.type_name(args[0])
        raise RuntimeError(f"cannot pin '{kind}' only dense CPU tensors can be pinned")
    return args[0]


# --- What a tensor tells --------------------------------------------------------------------------


def _device_get(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    return torch.device(device_of(args[0]))


def _is_cuda(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> bool:
    return device_of(args[0]) == CUDA


def _is_cpu(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> bool:
    return device_of(args[0]) == CPU


def _get_device(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> int:
    return 0 if device_of(args[0]) == CUDA else -1


def _numpy(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    tensor, *rest = args
    if device_of(tensor) == CUDA and not (kwargs.get("force") or (rest and rest[0] is True)):
        raise TypeError(
            f"can't convert {CUDA} device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )
    return func(*args, **kwargs)


_AFTER_VALUES = re.compile(r"(?=, (?:size|dtype|grad_fn|requires_grad|layout)=|\)\Z)")


def _repr(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    text = func(*args, **kwargs)
    if device_of(args[0]) != CUDA:
        return text
    return _AFTER_VALUES.sub(f", device='{CUDA}'", text, count=1)


# --- Indexing -------------------------------------------------------------------------------------


def _getitem(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    tensor, index = args
    refused = indexing_refusal(tensor, index)
    if refused is not None:
        raise refused
    return mark(func(tensor, index), place_of(tensor))


def _setitem(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    tensor, index, value = args
    refused = indexing_refusal(tensor, index)
    if refused is not None:
        raise refused
    # Without a tensor as index it is a copy, and a copy may cross devices; so may one number.
    chosen = any(each.dim() for each in tensors_in(index))
    if chosen and isinstance(value, torch.Tensor) and value.dim():
        _, at_one = common_place([tensor, value])
        if not at_one:
            raise refusal("index_put_", (), {})
    return func(tensor, index, value)


# --- Gradients ------------------------------------------------------------------------------------


def _grad_get(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    return mark(func(*args), place_of(args[0]))


def _grad_set(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    tensor, grad = args
    if isinstance(grad, torch.Tensor) and {place_of(tensor), place_of(grad)} == {CPU, CUDA}:
        raise RuntimeError("assigned grad has data located on a different device")
    return func(tensor, grad)


def _set(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


_autograd: Any = torch.autograd
_run_engine = _autograd._engine_run_backward


def _engine(outputs: Any, *args: Any, **kwargs: Any) -> Any:
    """A backward pass. Hooks, checkpoints and a learner's own Functions run in it: the rules hold
    there too."""
    root = next(tensors_in(outputs), None)
    placement.backward_on.append(CPU if root is None else device_of(root))
    try:
        with _Simulation():
            return _run_engine(outputs, *args, **kwargs)
    finally:
        placement.backward_on.pop()


# --- Sequences ------------------------------------------------------------------------------------


def _pack(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    lengths = args[1]
    if place_of(lengths) == CUDA:
        kind = str(lengths.dtype).removeprefix("torch.")
        kind = {"int64": "Long", "int32": "Int"}.get(kind, kind)
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {lengths.dim()}D {CUDA} {kind} tensor"
        )
    return _with_sizes(mode, func, args, kwargs)


def _with_sizes(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    """What comes with the sizes of sequences, which stay on the CPU."""
    data, sizes = func(*args, **kwargs)
    return mark(data, place_of(args[0])), sizes


def _recurrent(mode: _Simulation, func: Any, args: _Arguments, kwargs: dict[str, Any]) -> Any:
    packed = len(args) > 3 and isinstance(args[3], tuple | list)
    checked = [*tensors_in(args[0]), *tensors_in(args[2 if packed else 1 :])]
    place, at_one = common_place(checked)
    if not at_one:
        raise refusal(func.__name__, args, kwargs)
    return mark(func(*args, **kwargs), place)


_MAKERS = frozenset(torch_device._device_constructors()) - {torch.nested.nested_tensor}
_tensor: Any = torch.Tensor
_HANDLERS: dict[Any, _Handler] = {
    _tensor.__array__: _numpy,
    _tensor.__getitem__: _getitem,
    _tensor.__repr__: _repr,
    _tensor.__setitem__: _setitem,
    _tensor.cpu: _cpu,
    _tensor.cuda: _cuda,
    _tensor.data.__set__: _set,
    _tensor.device.__get__: _device_get,
    _tensor.get_device: _get_device,
    _tensor.grad.__get__: _grad_get,
    _tensor.grad.__set__: _grad_set,
    _tensor.is_cpu.__get__: _is_cpu,
    _tensor.is_cuda.__get__: _is_cuda,
    _tensor.numpy: _numpy,
    _tensor.pin_memory: _pinned,
    _tensor.to: _to,
    _tensor.type: _type,
    _tensor.type_as: _type_as,
    torch._C._VariableFunctions._pack_padded_sequence: _pack,
    torch._C._VariableFunctions._pad_packed_sequence: _with_sizes,
    **{
        getattr(torch._C._VariableFunctions, name): _recurrent
        for name in ("gru", "lstm", "rnn_relu", "rnn_tanh")
    },
}


def install() -> None:
    """Simulate one CUDA device from now on, for the life of this process."""
    cuda_stand_in.install()
    _autograd._engine_run_backward = _engine
    _Simulation().__enter__()  # type: ignore[no-untyped-call]
