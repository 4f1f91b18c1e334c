"""What torch.cuda and its neighbours say where CUDA is simulated: there is one device, cuda:0."""

from __future__ import annotations

import contextlib
import time
import types
from collections.abc import Iterator
from typing import Any

import torch
import torch.utils.checkpoint as torch_checkpoint
from torch.utils._pytree import tree_map_only

from sandbox.placement import CUDA, Block, is_marked, mark_storage

NAME = "simulated CUDA device"
_MEMORY = 16 << 30
"""Bytes that the simulated device is said to have."""
_CAPABILITY = (8, 0)
_BeforeCpu = 5
"""Priority of the location `cuda` in checkpoints: asked before torch's own, which begin at 10."""


def index_of(device: Any) -> int:
    """The index of a CUDA device, given as torch.cuda's functions take it.

    Raises torch.AcceleratorError for any but the first.
    """
    if device is None:
        return 0
    index = device if isinstance(device, int) else torch.device(device).index
    if index in (None, 0):
        return 0
    raise torch.AcceleratorError(
        "CUDA error: invalid device ordinal\n"
        "GPU device may be out of range, do you have enough GPUs?\n"
        "CUDA kernel errors might be asynchronously reported at some other API call, "
        "so the stacktrace below might be incorrect.\n"
        "For debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
        "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
    )


class Generator(torch.Generator):
    """A random generator that remembers the device that it was made for."""

    _cuda: bool

    def __new__(cls, device: Any = None) -> Generator:
        made = super().__new__(cls)
        made._cuda = device is not None and torch.device(device).type == "cuda"
        if made._cuda:
            index_of(device)
        return made

    def __init__(self, device: Any = None) -> None:
        super().__init__()

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where it draws."""
        return torch.device(CUDA if self._cuda else "cpu")


class _TensorType:
    """torch.cuda.FloatTensor and its like, of the time before dtypes."""

    def __init__(self, name: str) -> None:
        self.__name__, self.__module__ = name, "torch.cuda"
        self._plain = getattr(torch, name)

    def __call__(self, *args: Any) -> torch.Tensor:
        made: torch.Tensor = self._plain(*args).clone()
        mark_storage(made.untyped_storage())
        return made


class _Event:
    """A mark in time on the device, which has always done all its work."""

    def __init__(self, enable_timing: bool = False, **_: Any) -> None:
        self._at = 0.0

    def record(self, stream: Any = None) -> None:
        self._at = time.perf_counter()

    def elapsed_time(self, end: _Event) -> float:
        """Milliseconds from this mark to `end`."""
        return (end._at - self._at) * 1000

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def wait(self, stream: Any = None) -> None:
        """Nothing is ever pending."""

    def query(self) -> bool:
        return True


class _Stream(contextlib.AbstractContextManager["_Stream"]):
    """The only queue of work there is."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.device = torch.device(CUDA)

    def __exit__(self, *_: object) -> None:
        """Nothing was switched."""

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def wait_stream(self, stream: Any) -> None:
        """Nothing is ever pending."""

    wait_event = wait_stream

    def is_capturing(self) -> bool:
        """CUDA graphs are not simulated."""
        return False

    def record_event(self, event: Any = None) -> Any:
        event = event or _Event()
        event.record()
        return event


class _Device:
    """torch.cuda.device: the context in which a device is the current one."""

    def __init__(self, device: Any) -> None:
        self.idx = index_of(device)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _nothing(*_: Any, **__: Any) -> None:
    """Nothing to do on a device that is not there."""


def _for_device(value: Any) -> Any:
    """A function of a device that answers `value`, or what `value` returns."""

    def answer(device: Any = None, *_: Any, **__: Any) -> Any:
        index_of(device)
        return value() if callable(value) else value

    return answer


def _properties() -> Any:
    major, minor = _CAPABILITY
    return types.SimpleNamespace(
        name=NAME, major=major, minor=minor, total_memory=_MEMORY, multi_processor_count=1
    )


def _reset_peak() -> None:
    Block.peak = Block.used


@contextlib.contextmanager
def _stream(stream: Any) -> Iterator[None]:
    yield


def _rng_state(device: Any = None) -> torch.Tensor:
    return torch.get_rng_state()


def _set_rng_state(new_state: torch.Tensor, device: Any = None) -> None:
    torch.set_rng_state(new_state)


def _scatter(
    parallel: Any, inputs: Any, kwargs: Any, device_ids: Any
) -> tuple[tuple[Any], tuple[Any]]:
    """DataParallel's way of giving each device its part: all of it goes to the only one."""
    inputs, kwargs = tree_map_only(torch.Tensor, lambda each: each.cuda(), (inputs, kwargs))
    return (inputs,), (kwargs,)


def _set_default_tensor_type(wanted: Any) -> None:
    name = wanted if isinstance(wanted, str) else f"{wanted.__module__}.{wanted.__name__}"
    torch.set_default_device("cuda" if name.startswith("torch.cuda.") else "cpu")
    _torch_default_type(name.replace("torch.cuda.", "torch."))


_torch_default_type = torch.set_default_tensor_type


def _storage_to_cuda(storage: Any, device: Any = None, non_blocking: bool = False) -> Any:
    """A storage's copy on the GPU, as `map_location` functions of older code ask for it."""
    index_of(device)
    moved = storage.clone()
    mark_storage(moved)
    return moved


def _form(tensor: torch.Tensor) -> dict[str, Any]:
    """What has to be the same of a tensor when a checkpoint computes it again."""
    return {"shape": tensor.shape, "dtype": tensor.dtype}


def install() -> None:
    """Put the answers into torch, for the life of this process."""
    used, peak = _for_device(lambda: Block.used), _for_device(lambda: Block.peak)
    seed = torch.initial_seed
    answers = {
        "Event": _Event,
        "Stream": _Stream,
        "_lazy_init": _nothing,
        "current_device": lambda: 0,
        "current_stream": _for_device(_Stream),
        "default_stream": _for_device(_Stream),
        "device": _Device,
        "device_count": lambda: 1,
        "empty_cache": _nothing,
        "get_device_capability": _for_device(_CAPABILITY),
        "get_device_name": _for_device(NAME),
        "get_device_properties": _for_device(_properties),
        "get_rng_state": _rng_state,
        "get_rng_state_all": lambda: [_rng_state()],
        "init": _nothing,
        "initial_seed": seed,
        "ipc_collect": _nothing,
        "is_available": lambda: True,
        "is_current_stream_capturing": lambda: False,
        "is_bf16_supported": lambda *_, **__: True,
        "is_initialized": lambda: True,
        "manual_seed": _nothing,
        "manual_seed_all": _nothing,
        "max_memory_allocated": peak,
        "max_memory_reserved": peak,
        "mem_get_info": _for_device(lambda: (_MEMORY - Block.used, _MEMORY)),
        "memory_allocated": used,
        "memory_reserved": used,
        "memory_summary": _for_device(lambda: f"{NAME}: {Block.used} bytes in use"),
        "reset_max_memory_allocated": _for_device(_reset_peak),
        "reset_peak_memory_stats": _for_device(_reset_peak),
        "seed": _nothing,
        "set_device": _for_device(None),
        "set_rng_state": _set_rng_state,
        "set_rng_state_all": lambda states: _set_rng_state(states[0]),
        "stream": _stream,
        "synchronize": _for_device(None),
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    for kind in ("Bool", "Byte", "Double", "Float", "Half", "Int", "Long"):
        setattr(torch.cuda, f"{kind}Tensor", _TensorType(f"{kind}Tensor"))
    torch.nn.DataParallel.scatter = _scatter  # type: ignore[assignment]
    torch.set_default_tensor_type = _set_default_tensor_type
    for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "empty_cache"):
        setattr(torch.cuda.memory, name, answers[name])
    for name, answer in {
        "current_accelerator": lambda check_available=False: torch.device("cuda"),
        "current_device_index": lambda: 0,
        "current_stream": _for_device(_Stream),
        "device_count": lambda: 1,
        "empty_cache": _nothing,
        "is_available": lambda: True,
        "set_device_index": _for_device(None),
        "synchronize": _for_device(None),
    }.items():
        setattr(torch.accelerator, name, answer)
    # Without this, a recurrent layer warns of a missing cuDNN when it is moved.
    torch.backends.cudnn.is_acceptable = lambda tensor: False
    torch.UntypedStorage.cuda = _storage_to_cuda  # type: ignore[assignment]
    torch.Generator = Generator  # type: ignore[misc]
    # What autograd saves is looked at below the simulation, and again inside it.
    torch_checkpoint._allowed_determinism_checks_to_fns["default"] = _form
    torch.serialization.register_package(_BeforeCpu, _location, _restored)


def _location(storage: Any) -> str | None:
    """What a checkpoint tells about where a storage lay."""
    untyped = getattr(storage, "_untyped_storage", storage)
    return CUDA if is_marked(untyped) else None


def _restored(storage: Any, location: str) -> Any:
    """A storage of a checkpoint, put where `location` says; None to leave it to torch."""
    if not location.startswith("cuda"):
        return None
    index_of(location)
    mark_storage(storage)
    return storage
