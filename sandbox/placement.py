"""Which device a tensor lies on where CUDA is simulated, and what torch says when devices meet.

Every tensor really lies on the CPU. One that is said to lie on the GPU carries a mark on its
storage, so that views, `.data`, parameters and in-place changes agree without being told. The
sentences are those of torch 2.13: `c10::common_device_check_failure` where an operation's generated
wrapper checks its arguments, TensorIterator's for element-wise operations, and an operation's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch

CUDA = "cuda:0"
CPU = "cpu"
_MARK = "_simulated_block"
_DEPTH_AT_MOST = 4

_base = torch._C.TensorBase.__dict__
_untyped_storage, _is_cpu, _device = _base["untyped_storage"], _base["is_cpu"], _base["device"]
_dim, _dtype = _base["dim"], _base["dtype"]
_NoTorchFunction = torch._C.DisableTorchFunction

backward_on: list[str] = []
"""The devices of the backward passes that are running, the innermost last."""


class Block:
    """The mark on a storage that lies on the simulated GPU; counts its bytes while it lives."""

    used: ClassVar[int] = 0
    peak: ClassVar[int] = 0

    def __init__(self, size: int) -> None:
        self.size = size
        Block.used += size
        Block.peak = max(Block.peak, Block.used)

    def __del__(self) -> None:
        Block.used -= self.size


def mark_storage(storage: Any) -> None:
    """Say that this torch.UntypedStorage lies on the GPU."""
    if not hasattr(storage, _MARK):
        setattr(storage, _MARK, Block(storage.nbytes()))


def is_marked(storage: Any) -> bool:
    """Whether this torch.UntypedStorage is said to lie on the GPU."""
    return hasattr(storage, _MARK)


def _storage(tensor: torch.Tensor) -> Any:
    """None for what has no memory of its own here: sparse, meta and functorch tensors."""
    with _NoTorchFunction():
        if not _is_cpu.__get__(tensor):
            return None
        try:
            return _untyped_storage(tensor)
        except (NotImplementedError, RuntimeError):
            return None


def place_of(tensor: torch.Tensor) -> str | None:
    """`cuda:0`, `cpu`, or None where it goes with whatever it meets.

    A backward pass makes tensors below Python, where nothing marks them: inside one, a tensor
    without a mark may be on either side.
    """
    storage = _storage(tensor)
    if storage is None:
        return None
    if is_marked(storage):
        return CUDA
    return None if backward_on else CPU


def device_of(tensor: torch.Tensor) -> str:
    """The device to show for a tensor: `cuda:0`, `cpu`, `meta`. Runs no operation."""
    place = place_of(tensor)
    if place is not None:
        return place
    if backward_on and _storage(tensor) is not None:
        return backward_on[-1]
    with _NoTorchFunction():
        return str(_device.__get__(tensor))


def mark(result: Any, place: str | None) -> Any:
    """`result`, its tensors marked where `place` is the GPU."""
    if place == CUDA:
        for tensor in tensors_in(result):
            storage = _storage(tensor)
            if storage is not None:
                mark_storage(storage)
    return result


def tensors_in(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors in `value` and in the containers that torch's functions take and return."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < _DEPTH_AT_MOST and isinstance(value, tuple | list):
        for each in value:
            yield from tensors_in(each, depth + 1)
    elif depth < _DEPTH_AT_MOST and isinstance(value, dict):
        for each in value.values():
            yield from tensors_in(each, depth + 1)


def common_place(tensors: Sequence[torch.Tensor], *, written: int = -1) -> tuple[str | None, bool]:
    """Where an operation on these tensors runs, and whether they lie on one device.

    A single number on the CPU may go with tensors on the GPU, unless the operation writes to it:
    `written` is the position of what it writes to.
    """
    places = [place_of(each) for each in tensors]
    if CUDA not in places:
        return (CPU if CPU in places else None), True
    at_one = all(
        place != CPU or (number != written and _dim(tensors[number]) == 0)
        for number, place in enumerate(places)
    )
    return CUDA, at_one


# --- What torch says ------------------------------------------------------------------------------


def type_name(tensor: torch.Tensor) -> str:
    """`torch.cuda.FloatTensor`, as errors of convolutions and `.type()` tell it."""
    name = torch.Tensor.type(tensor)
    return name.replace("torch.", "torch.cuda.", 1) if place_of(tensor) == CUDA else name


def refusal(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> RuntimeError:
    """The error of the function called `name` whose tensors lie on two devices."""
    telling = _TELLING.get(name)
    told = telling(args, kwargs) if telling else None
    return RuntimeError(
        told
        or "Expected all tensors to be on the same device, "
        f"but found at least two devices, {CUDA} and {CPU}!"
    )


_Given = tuple[str, Any]
"""An argument as torch's own function calls it, and its value."""


def _first_apart(method: str, *given: _Given) -> str | None:
    """What the generated wrapper of an operation says: it goes by its first tensor."""
    common = None
    for name, value in given:
        for tensor in tensors_in(value):
            place = place_of(tensor)
            if common is None:
                common = place
            elif place is not None and place != common:
                return (
                    "Expected all tensors to be on the same device, "
                    f"but got {name} is on {place}, different from other tensors on {common} "
                    f"(when checking argument in method wrapper_CUDA_{method})"
                )
    return None


def _at(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, *names: str) -> Any:
    """An argument, however it was passed."""
    if position < len(args):
        return args[position]
    return next((kwargs[name] for name in names if name in kwargs), None)


_Teller = Callable[[Sequence[Any], Mapping[str, Any]], str | None]


def _wrapper(method: str, *arguments: tuple[str, int, tuple[str, ...]]) -> _Teller:
    """Tells of an operation whose wrapper looks at these arguments: (name, position, keywords)."""

    def tell(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        given = [(name, _at(args, kwargs, at, *names)) for name, at, names in arguments]
        return _first_apart(method, *given)

    return tell


def _linear(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    data, weight = _at(args, kwargs, 0, "input"), _at(args, kwargs, 1, "weight")
    bias = _at(args, kwargs, 2, "bias")
    if bias is None:
        return _first_apart("mm", ("self", data), ("mat2", weight))
    return _first_apart("addmm", ("self", bias), ("mat1", data), ("mat2", weight))


def _cell(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """A step of a recurrent layer: two linear layers, then element-wise operations."""
    data, state, weight_data, weight_state, *bias = args
    told = _linear((data, weight_data, *bias[:1]), {})
    state = state[0] if isinstance(state, tuple | list) else state
    return told or _linear((state, weight_state, *bias[1:2]), {})


def _attention(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    query, weight, bias = (
        _at(args, kwargs, 0, "query"),
        _at(args, kwargs, 5, "in_proj_weight"),
        _at(args, kwargs, 6, "in_proj_bias"),
    )
    return _linear((query, weight, bias), {}) if weight is not None else None


def _matmul(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    one, other = args[0], _at(args, kwargs, 1, "other", "mat2", "vec", "tensor")
    sizes = _dim(one), _dim(other)
    if sizes == (1, 1):
        return _first_apart("_dot", ("self", one), ("tensor", other))
    if sizes[1] == 1:
        return _first_apart("addmv", ("self", other), ("mat", one), ("vec", other))
    if min(sizes) <= 2:
        return _first_apart("mm", ("self", one), ("mat2", other))
    return _first_apart("bmm", ("self", one), ("mat2", other))


def _nll_loss(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    scores, target = _at(args, kwargs, 0, "input"), _at(args, kwargs, 1, "target")
    weight = _at(args, kwargs, 2, "weight")
    with _NoTorchFunction():
        if _dtype.__get__(target).is_floating_point:
            return None
        method = "nll_loss_forward" if _dim(scores) <= 2 else "_nll_loss2d_forward"
    return _first_apart(method, ("self", scores), ("target", target), ("weight", weight))


def _batch_norm(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    data = _at(args, kwargs, 0, "input")
    given = (
        ("input", data),
        ("weight", _at(args, kwargs, 3, "weight")),
        ("bias", _at(args, kwargs, 4, "bias")),
        ("running_mean", _at(args, kwargs, 1, "running_mean")),
        ("running_var", _at(args, kwargs, 2, "running_var")),
    )
    method = "_cudnn_batch_norm" if place_of(data) == CUDA else "_native_batch_norm"
    return _first_apart(method, *given)


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    data = _at(args, kwargs, 0, "input")
    for role, position in (("weight", 1), ("bias", 2)):
        other = _at(args, kwargs, position, role)
        if other is None or place_of(other) in (place_of(data), None):
            continue
        more = ""
        if place_of(data) == CPU and role == "weight":
            more = " or input should be a MKLDNN tensor and weight is a dense tensor"
        return (
            f"Input type ({type_name(data)}) and {role} type ({type_name(other)}) "
            f"should be the same{more}"
        )
    return None


def _recurrent(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    data, *rest = args
    if isinstance(rest[2], tuple | list):
        # A packed sequence: its batch sizes come second, and stay on the CPU.
        rest = rest[1:]
    for role, value in (("hidden", rest[0]), ("parameter", rest[1])):
        for tensor in tensors_in(value):
            if place_of(tensor) not in (place_of(data), None):
                return (
                    f"Input and {role} tensors are not at the same device, found input tensor at "
                    f"{place_of(data)} and {role} tensor at {place_of(tensor)}"
                )
    return None


def _scaled_attention(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    names = ("query", "key", "value")
    found = [_at(args, kwargs, number, name) for number, name in enumerate(names)]
    if len({place_of(each) for each in found}) == 1:
        return None
    told = ", ".join(
        f"{name}.device: {place_of(each)}" for name, each in zip(names[:2], found, strict=False)
    )
    return (
        "Expected query, key, and value to have the same device type, "
        f"but got {told}, and value.device: {place_of(found[2])} instead."
    )


def _masked_fill(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    tensor, mask = args[0], _at(args, kwargs, 1, "mask")
    if place_of(tensor) == place_of(mask):
        return None
    return (
        "expected self and mask to be on the same device, "
        f"but got mask on {place_of(mask)} and self on {place_of(tensor)}"
    )


def indexing_refusal(tensor: torch.Tensor, index: Any) -> RuntimeError | None:
    """The error where a tensor on the CPU is indexed by one on the GPU."""
    if place_of(tensor) != CPU:
        return None
    if any(place_of(each) == CUDA and _dim(each) for each in tensors_in(index)):
        return RuntimeError(
            "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
        )
    return None


_SELF = ("self", 0, ("input",))
_INDEX = ("index", 2, ("index",))
_JOIN = _wrapper("cat", ("tensors", 0, ("tensors",)))
_TELLING: Mapping[str, _Teller] = {
    "addmm": _wrapper("addmm", _SELF, ("mat1", 1, ("mat1",)), ("mat2", 2, ("mat2",))),
    "baddbmm": _wrapper("baddbmm", _SELF, ("batch1", 1, ("batch1",)), ("batch2", 2, ("batch2",))),
    "batch_norm": _batch_norm,
    "bmm": _matmul,
    "cat": _JOIN,
    "concat": _JOIN,
    "concatenate": _JOIN,
    "cross_entropy": _nll_loss,
    "dot": _matmul,
    "embedding": _wrapper(
        "_index_select", ("self", 1, ("weight",)), ("index", 0, ("input", "indices"))
    ),
    "gather": _wrapper("gather", _SELF, _INDEX),
    "group_norm": _wrapper(
        "_native_group_norm",
        ("input", 0, ("input",)),
        ("weight", 2, ("weight",)),
        ("bias", 3, ("bias",)),
    ),
    "gru": _recurrent,
    "gru_cell": _cell,
    "hstack": _JOIN,
    "huber_loss": _wrapper("_huber_loss", _SELF, ("target", 1, ("target",))),
    "index_select": _wrapper("_index_select", _SELF, _INDEX),
    "layer_norm": _wrapper(
        "_native_layer_norm",
        ("input", 0, ("input",)),
        ("weight", 2, ("weight",)),
        ("bias", 3, ("bias",)),
    ),
    "linear": _linear,
    "lstm": _recurrent,
    "lstm_cell": _cell,
    "masked_fill": _masked_fill,
    "masked_fill_": _masked_fill,
    "masked_select": _wrapper("_masked_select", _SELF, ("mask", 1, ("mask",))),
    "matmul": _matmul,
    "__matmul__": _matmul,
    "mm": _matmul,
    "multi_head_attention_forward": _attention,
    "mv": _matmul,
    "nll_loss": _nll_loss,
    "rnn_relu": _recurrent,
    "rnn_relu_cell": _cell,
    "rnn_tanh": _recurrent,
    "rnn_tanh_cell": _cell,
    "scaled_dot_product_attention": _scaled_attention,
    "scatter_add": _wrapper("scatter_add", _SELF, _INDEX, ("src", 3, ("src",))),
    "scatter_add_": _wrapper("scatter_add_", _SELF, _INDEX, ("src", 3, ("src",))),
    "stack": _JOIN,
    "vstack": _JOIN,
    **{
        f"conv{transposed}{size}d": _convolution
        for transposed in ("", "_transpose")
        for size in (1, 2, 3)
    },
}
