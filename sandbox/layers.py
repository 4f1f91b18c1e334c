"""The way of the data: which layers ran, with which shapes, up to the one that failed.

Every call of an nn.Module goes through one function of torch, `Module._wrapped_call_impl`. Its code
object, not the function, is replaced: hooks, saved models, torch.compile and torch.fx find the very
function that they know, and a traceback looks as ever. Only calls that come from outside any other
module are looked at; what happens inside is noted once per module and input shape, because the same
shapes take the same way again. So a training loop pays for its first step, and hardly after it.
"""

from __future__ import annotations

import ast
import dis
import inspect
import itertools
import textwrap
import types
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.modules.module as torch_module
from torch._dynamo.eval_frame import OptimizedModule

from sandbox import reading
from sandbox.protocol import LAYERS_AT_MOST, NAME_AT_MOST, Layer

_NOTES_AT_MOST = 512
_WAYS_AT_MOST = 64
_TENSORS_AT_MOST = 64
_DEPTH_AT_MOST = 4
_MODULES_AT_MOST = 20_000
_FIRST_ROWS = 12
_COMPOSITE = (
    torch.nn.AdaptiveLogSoftmaxWithLoss,
    torch.nn.DataParallel,
    torch.nn.Module,
    torch.nn.ModuleDict,
    torch.nn.ModuleList,
    torch.nn.MultiheadAttention,
    torch.nn.Sequential,
    torch.nn.Transformer,
    torch.nn.TransformerDecoder,
    torch.nn.TransformerDecoderLayer,
    torch.nn.TransformerEncoder,
    torch.nn.TransformerEncoderLayer,
)

Form = torch.Size | int
"""What is noted of a layer's input or output: the shape of one tensor, or how many there are."""


# One finished call: the number of its beginning, the module's id (a reference would keep a deleted
# model in memory), its class, input and output.
_Noted = tuple[int, int, type, Form, Form]


class _Notes(deque[_Noted]):
    """The finished calls of one way, the latest when there are very many."""

    def __init__(self, key: Any) -> None:
        super().__init__(maxlen=_NOTES_AT_MOST)
        self.key = key


_TENSORS = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
_Tensor = torch.Tensor
_tracing = torch._C._get_tracing_state
_mode_on = torch._C._is_torch_function_mode_enabled
_NoTorchFunction = torch._C.DisableTorchFunction


# --- While the snippet runs -----------------------------------------------------------------------
#
# The names `_tutor_…` are copied into torch's module, whose function then uses them as its globals.

_tutor_known: dict[Any, _Notes] = {}
"""The notes of finished ways, by module and input."""
_tutor_now: _Notes | Literal[False] | None = None
"""None outside all modules, False inside one whose way is known, else the notes of this way."""
_tutor_leaves = frozenset(
    each
    for each in (*vars(torch.nn).values(), OptimizedModule)
    if isinstance(each, type) and issubclass(each, torch.nn.Module) and each not in _COMPOSITE
)
"""Classes whose forward calls no other module, or is compiled: nothing to note inside."""
_tutor_count = itertools.count(1).__next__
_tutor_compiling = torch.compiler.is_compiling


def _wrapped_call_impl(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Its code becomes that of torch's function of this name."""
    global _tutor_now
    if self._compiled_call_impl is not None:
        return self._compiled_call_impl(*args, **kwargs)
    notes = _tutor_now
    if notes is False:
        return self._call_impl(*args, **kwargs)
    if notes is None:
        if type(self) in _tutor_leaves or _tutor_compiling():
            return self._call_impl(*args, **kwargs)
        notes = _tutor_now = _tutor_begin(self, args, kwargs)
        try:
            result = self._call_impl(*args, **kwargs)
        finally:
            _tutor_now = None
        if notes is not False:
            _tutor_known[notes.key] = notes
        return result
    if _tutor_compiling():
        return self._call_impl(*args, **kwargs)
    began = _tutor_count()
    result = self._call_impl(*args, **kwargs)
    notes.append((began, id(self), type(self), _tutor_form(args, kwargs), _tutor_form((result,))))
    return result


def _tutor_form(args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Form:
    if len(args) == 1 and not kwargs and type(args[0]) is _Tensor and not _mode_on():
        size: torch.Size = args[0].size()
        return size
    found = list(itertools.islice(_tensors_in((args, kwargs or {})), _TENSORS_AT_MOST))
    if len(found) == 1 and type(found[0]) in _TENSORS:
        with _NoTorchFunction():
            return found[0].size()
    return len(found)


def _key(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What decides the shapes inside; None when a tensor class of its own had to be asked."""
    sizes = []
    for each in itertools.islice(_tensors_in((args, kwargs)), _TENSORS_AT_MOST):
        if type(each) not in _TENSORS:
            return None
        with _NoTorchFunction():
            sizes.append(each.size())
    return id(module), type(module), *sizes


def _tutor_begin(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> _Notes | Literal[False]:
    if _tracing() is not None:
        # Asking for sizes would become a part of what is being traced.
        return False
    if len(args) == 1 and not kwargs and type(args[0]) is _Tensor and not _mode_on():
        key: Any = (id(module), type(module), args[0].size())
    else:
        key = _key(module, args, kwargs)
    if key is None or key in _tutor_known:
        return False
    if len(_tutor_known) >= _WAYS_AT_MOST:
        _tutor_known.clear()
    return _Notes(key)


def _tensors_in(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """The tensors in plain containers, found without running anybody's code."""
    if type(value) in _TENSORS or torch.Tensor in reading.mro(value):
        yield value
    elif depth < _DEPTH_AT_MOST and type(value) in (tuple, list):
        for each in value:
            yield from _tensors_in(each, depth + 1)
    elif depth < _DEPTH_AT_MOST and type(value) is dict:
        for each in list(value.values()):
            yield from _tensors_in(each, depth + 1)


def _in_place_of(replaced: Any, by: Any) -> types.CodeType:
    """The code of the function `by`, all of it at the place where `replaced` makes its call."""
    calls = [each for each in dis.get_instructions(replaced) if each.opname == "CALL_FUNCTION_EX"]
    place = calls[-1].positions
    if place is None or place.lineno is None or place.col_offset is None:
        raise RuntimeError("torch was compiled without the positions that tracebacks show")
    tree = ast.parse(textwrap.dedent(inspect.getsource(by)))
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt | ast.arg):
            node.lineno, node.end_lineno = place.lineno, place.end_lineno
            node.col_offset, node.end_col_offset = place.col_offset, place.end_col_offset
    # Lines are told relative to the first, and inspect finds the source by it.
    tree.body[0].lineno = replaced.__code__.co_firstlineno
    whole = compile(tree, replaced.__code__.co_filename, "exec", dont_inherit=True)
    code = next(each for each in whole.co_consts if isinstance(each, types.CodeType))
    return code.replace(co_qualname=replaced.__code__.co_qualname)


_CALL: Any = torch.nn.Module._wrapped_call_impl
_OLD_CODE = _CALL.__code__
_CODE = _in_place_of(_CALL, _wrapped_call_impl)


def install() -> None:
    """Note the ways of all modules from now on, also in forks of this process."""
    own = {name: value for name, value in globals().items() if name.startswith("_tutor_")}
    vars(torch_module).update(own)
    _CALL.__code__ = _CODE


def remove() -> None:
    """Note nothing any more."""
    _CALL.__code__ = _OLD_CODE


# --- After it failed ------------------------------------------------------------------------------


class _Note(NamedTuple):
    """One finished call, as `_Noted`."""

    began: int
    module: int
    type: type
    input: Form
    output: Form


@dataclass(frozen=True)
class _Running:
    """A call that was not finished, from its frame."""

    module: Any
    input: Form
    began: int | None
    """None where the way was not noted this time, because it was known."""


def is_call(frame: types.FrameType) -> bool:
    """True for the frame of a call of a module."""
    return frame.f_code is _CODE


def way(frames: Iterable[types.FrameType]) -> tuple[Layer, ...]:
    """The layers that had run, and those that were running, in the order in which they began.

    `frames` are the frames of a traceback, outermost first. Empty when no module was running.
    """
    running: list[_Running] = []
    notes: list[_Note] = []
    known: _Notes | None = None
    for frame in frames:
        if not is_call(frame):
            continue
        names = frame.f_locals
        form = _tutor_form(names["args"], names["kwargs"])
        if not running:
            if type(names.get("notes")) is _Notes:
                notes = [_Note(*each) for each in names["notes"]]
            else:
                known = _tutor_known.get(_key(names["self"], names["args"], names["kwargs"]))
        running.append(_Running(names["self"], form, names.get("began")))
    if not running:
        return ()
    if known is not None:
        running, notes = _as_last_time(running, [_Note(*each) for each in known])
    return _rows(running, notes)


def _as_last_time(
    running: list[_Running], notes: list[_Note]
) -> tuple[list[_Running], list[_Note]]:
    """The way as it was with the same shapes before, up to where it failed this time.

    Without notes where that is not certain: a layer that was called twice, a model that changed.
    """
    began = {id(running[0].module): 0}
    for each in running[1:]:
        found = [note.began for note in notes if note.module == id(each.module)]
        if len(found) != 1:
            return running, []
        began[id(each.module)] = found[0]
    last = began[id(running[-1].module)]
    earlier = [note for note in notes if note.began < last and note.module not in began]
    if len(running) == 1 or any(note.module not in _names(running[0].module) for note in earlier):
        return running, []
    placed = [_Running(each.module, each.input, began[id(each.module)]) for each in running]
    return placed, earlier


def _rows(running: Sequence[_Running], notes: Sequence[_Note]) -> tuple[Layer, ...]:
    names = _names(running[0].module)
    rows: list[tuple[int, Layer]] = []
    before = -1
    for note in notes:
        # Notes are in the order of finishing: who began before its predecessor contains it.
        if note.began > before:
            name, module = names.get(note.module, ("(not registered)", None))
            row = Layer(
                name=name[:NAME_AT_MOST],
                type=reading.name_of(note.type),
                input=_words(note.input),
                output=_words(note.output),
                parameters=_parameters(module),
            )
            rows.append((note.began, row))
        before = note.began
    for place, call in enumerate(running):
        name = names.get(id(call.module), ("(not registered)", None))[0]
        row = Layer(
            name=name[:NAME_AT_MOST],
            type=reading.name_of(type(call.module)),
            input=_words(call.input),
            parameters=_parameters(call.module),
            failed=place == len(running) - 1,
        )
        # A call outside the notes goes behind everything that is noted.
        rows.append((0 if place == 0 else call.began or 1 << 60, row))
    layers = [row for _, row in sorted(rows, key=lambda each: each[0])]
    if len(layers) > LAYERS_AT_MOST:
        layers = layers[:_FIRST_ROWS] + layers[_FIRST_ROWS - LAYERS_AT_MOST :]
    return tuple(layers)


def _words(form: Form) -> str:
    if isinstance(form, int):
        return "1 tensor" if form == 1 else f"{form} tensors"
    return str(list(form))[:NAME_AT_MOST]


def _names(root: Any) -> dict[int, tuple[str, Any]]:
    """Qualified name and module of everything below `root`, by id."""
    found: dict[int, tuple[str, Any]] = {}
    waiting = [("", root)]
    while waiting and len(found) < _MODULES_AT_MOST:
        name, module = waiting.pop()
        if id(module) in found:
            continue
        found[id(module)] = name, module
        prefix = f"{name}." if name else ""
        waiting += [
            (prefix + key, child)
            for key, child in reading.registered(module, "_modules").items()
            if type(key) is str and torch.nn.Module in reading.mro(child)
        ]
    return found


def _parameters(module: Any) -> int:
    """How many numbers `module` and its children learn."""
    counted = {
        id(parameter): reading.numel(parameter)
        for _, each in _names(module).values()
        for parameter in reading.registered(each, "_parameters").values()
    }
    return sum(counted.values())
