"""Rewrites of devices: what is on the GPU, what is on the CPU, and whether there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.editor import Editor
from bot.rewrites.layers import with_argument
from bot.rewrites.losses import loss_calls, target_of
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import inputs, layer_calls

_GUARD: Final = '"cuda" if torch.cuda.is_available() else "cpu"'
_CUDA: Final = re.compile(r"(cuda|gpu)[:\- ]?\d*", re.IGNORECASE)
_MISSPELT: Final = re.compile(r"(?P<kind>cuda|gpu|cpu|mps)[:\- ]?(?P<number>\d*)", re.IGNORECASE)
_MAKING: Final = frozenset(
    {
        "zeros",
        "ones",
        "randn",
        "rand",
        "arange",
        "tensor",
        "full",
        "empty",
        "eye",
        "linspace",
        "randint",
    }
)


def _device_name(case: Case) -> str | None:
    """The variable that holds the device in this code."""
    for name in ("device", "DEVICE", "dev", "self.device"):
        if name in case.names.bindings:
            return name
    return None


@rewrite(
    "guard-cuda",
    "cuda-not-available",
    "cuda-invalid-device",
    "cublas-error",
    "pin-memory",
    grades=SURE,
)
def guard_cuda(case: Case) -> Iterator[Proposal]:
    """Uses the GPU only where there is one: "cuda" if torch.cuda.is_available() else "cpu"."""
    edit = case.edit().importing("import torch")
    changed = False
    for node in find(case.source.module, cst.SimpleString):
        value = node.evaluated_value
        if not isinstance(value, str) or not _CUDA.fullmatch(value):
            continue
        above = case.source.parent(node)
        if isinstance(above, cst.IfExp | cst.Comparison):
            continue
        if isinstance(above, cst.Arg):
            call = case.source.parent(above)
            if isinstance(call, cst.Call) and called(call) in {"autocast", "GradScaler"}:
                continue
        edit.replace(node, _GUARD)
        changed = True
    for call in case.source.calls:
        if called(call) == "cuda" and isinstance(call.func, cst.Attribute):
            if dotted(call.func) == "torch.cuda":
                continue
            target = _device_name(case) or _GUARD
            if _inside(case, call.func.value, "cuda"):
                continue
            edit.replace(call, f"{case.atom(call.func.value)}.to({target})")
            changed = True
        elif dotted(call.func) == "torch.device" and call.args:
            number = case.names.number(call.args[0].value)
            if number is not None:
                edit.replace(call.args[0].value, _GUARD)
                changed = True
    if changed:
        yield sure(edit)


@rewrite("spell-device", "cuda-invalid-device", grades=SURE)
def spell_device(case: Case) -> Iterator[Proposal]:
    """Names devices as torch does: "cuda", "cuda:0", "cpu", "mps", in small letters."""
    edit, words = case.edit(), []
    for node in find(case.source.module, cst.SimpleString):
        value = node.evaluated_value
        found = _MISSPELT.fullmatch(value) if isinstance(value, str) else None
        if found is None or isinstance(case.source.parent(node), cst.Comparison):
            continue
        kind = found["kind"].lower().replace("gpu", "cuda")
        number = f":{found['number']}" if found["number"] and kind != "cpu" else ""
        if kind + number != value:
            edit.replace(node, f'"{kind}{number}"')
            words.append((case.text(node), f'"{kind}{number}"'))
    if words:
        yield sure(edit, old=words[0][0], new=words[0][1])


def _inside(case: Case, node: cst.BaseExpression, name: str) -> bool:
    return any(called(call) == name for call in find(node, cst.Call))


def _to(case: Case, edit: Editor, node: cst.BaseExpression, device: str) -> Editor:
    return edit.replace(node, f"{case.atom(node)}.to({device})")


def _device_of(case: Case) -> str:
    """The device that the code works on, as an expression."""
    named = _device_name(case)
    if named is not None and not named.startswith("self."):
        return named
    for call in case.source.calls:
        if called(call) == "to" and call.args:
            value = call.args[0].value
            if isinstance(value, cst.SimpleString):
                return case.text(value)
    return '"cuda"'


@rewrite(
    "move-input", "device-mismatch", "cuda-device-side-assert", grades=(Grade.SURE, Grade.LIKELY)
)
def move_input(case: Case) -> Iterator[Proposal]:
    """Moves the data, and the targets, to the device of the model."""
    if case.slug != "device-mismatch":
        return
    device = _device_of(case)
    data = inputs(case)
    targets = [t for call in loss_calls(case) if (t := target_of(call)) is not None]
    in_loss = (
        any(
            called(call).endswith("loss") or call in case.failing(cst.Call)
            for call in loss_calls(case)
        )
        and bool(case.failing(cst.Call))
        and any(c in loss_calls(case) for c in case.failing(cst.Call))
    )
    if in_loss:
        data = []
    everything = [*data[:1], *targets] if not in_loss else targets
    if len(everything) > 1:
        edit = case.edit()
        for node in everything:
            if f".to({device})" not in case.text(node):
                _to(case, edit, node, device)
        yield sure(edit, what=", ".join(case.text(n) for n in everything), device=device)
    for node in [*data, *targets]:
        yield sure(_to(case, case.edit(), node, device), what=case.text(node), device=device)


@rewrite("move-model", "device-mismatch", grades=(Grade.SURE, Grade.LIKELY))
def move_model(case: Case) -> Iterator[Proposal]:
    """Moves the model to the device of the data."""
    device = _device_of(case)
    for call in [*case.callers, *layer_calls(case)]:
        made = case.names.constructed(call.func)
        if (
            made is None
            or dotted(call.func) is None
            or (dotted(call.func) or "").startswith("self.")
        ):
            continue
        bound = case.names.resolve(call.func)
        if (
            bound is not None
            and ".to(" not in case.text(bound.value)
            and ".cuda(" not in case.text(bound.value)
        ):
            edit = _to(case, case.edit(), bound.value, device)
            yield sure(edit, what=case.text(call.func), device=device)


@rewrite("make-on-device", "device-mismatch", "rnn-hidden-size", grades=LIKELY)
def make_on_device(case: Case) -> Iterator[Proposal]:
    """Makes a new tensor on the device of the one that it is used with."""
    if case.slug != "device-mismatch":
        return
    places: list[cst.Call] = []
    for node in case.failing_expressions():
        value = case.names.value(node)
        made = find(value, cst.Call) if value is not None else []
        places += [c for c in made if called(c) in _MAKING and nth(c, 99, "device") is None]
    function = case.method
    first = None
    if function is not None:
        names = [p.name.value for p in function.params.params if p.name.value != "self"]
        first = names[0] if names else None
    for call in dict.fromkeys(places):
        inside = function is not None and case.names.scope(call) is function
        device = f"{first}.device" if inside and first else _device_of(case)
        new = with_argument(case, call, "device", device)
        yield likely(case.edit().swap(call, new), what=case.text(call), device=device)


@rewrite("move-operands", "device-mismatch", grades=LIKELY)
def move_operands(case: Case) -> Iterator[Proposal]:
    """Moves one side of an operation to the device of the other."""
    for node in case.failing(cst.BinaryOperation):
        for one, other in ((node.right, node.left), (node.left, node.right)):
            seen, wanted = case.thing(one), case.thing(other)
            if seen is not None and wanted is not None and seen.device == wanted.device:
                continue
            if case.names.number(one) is not None or case.names.number(other) is not None:
                continue
            if isinstance(other, cst.Name | cst.Attribute):
                edit = _to(case, case.edit(), one, f"{case.text(other)}.device")
                yield likely(edit, what=case.text(one), device=f"{case.text(other)}.device")
    for subscript in case.failing(cst.Subscript):
        for part in subscript.slice:
            if isinstance(part.slice, cst.Index) and isinstance(part.slice.value, cst.Name):
                device = f"{case.text(subscript.value)}.device"
                edit = _to(case, case.edit(), part.slice.value, device)
                yield likely(edit, what=case.text(part.slice.value), device=device)


@rewrite("keep-moved", "device-mismatch", grades=SURE)
def keep_moved(case: Case) -> Iterator[Proposal]:
    """Keeps what .to() returns: a tensor is not moved in place."""
    for call in case.source.calls:
        above = case.source.parent(call)
        if called(call) in {"to", "cuda"} and isinstance(above, cst.Expr):
            data = call.func.value if isinstance(call.func, cst.Attribute) else None
            if data is None or case.names.class_of(data) is not None:
                continue
            if case.names.kind(data)[:1].isupper():
                continue
            statement = case.source.statement_of(call)
            text = f"{case.text(data)} = {case.text(call)}"
            yield sure(case.edit().instead(statement, text), what=case.text(data))


@rewrite("register-buffer", "device-mismatch", grades=SURE)
def register_buffer(case: Case) -> Iterator[Proposal]:
    """Registers a tensor of a module as a buffer, which moves with the module."""
    used = {dotted(node) for node in case.failing(cst.Attribute)}
    for name, bindings in case.names.bindings.items():
        for bound in bindings:
            call = bound.value
            if name not in used or not name.startswith("self.") or bound.owner is None:
                continue
            if isinstance(call, cst.Call) and called(call) in _MAKING:
                bare = name.removeprefix("self.")
                text = f'self.register_buffer("{bare}", {case.text(call)})'
                yield sure(case.edit().instead(bound.statement, text), what=name)


@rewrite("generator-on-device", "generator-device", grades=SURE)
def generator_on_device(case: Case) -> Iterator[Proposal]:
    """Makes the random generator on the device that draws from it."""
    wanted = case.word("wanted") or "cuda"
    for call in case.source.calls:
        if called(call) == "Generator":
            new = with_argument(case, call, "device", f'"{wanted}"')
            yield sure(case.edit().swap(call, new), device=wanted)
    for call in case.source.calls:
        if (
            called(call) in {"DataLoader", "randperm", "random_split"}
            and nth(call, 99, "generator") is None
        ):
            text = f'torch.Generator(device="{wanted}")'
            new = with_argument(case, call, "generator", text)
            edit = case.edit().swap(call, new).importing("import torch")
            yield sure(edit, device=wanted)


@rewrite("materialise-meta", "meta-tensor", grades=LIKELY)
def materialise_meta(case: Case) -> Iterator[Proposal]:
    """Gives a model without numbers memory on a device with to_empty."""
    for call in case.failing_calls("to", "cpu", "cuda"):
        if isinstance(call.func, cst.Attribute):
            device = case.text(call.args[0].value) if call.args else f'"{called(call)}"'
            text = f"{case.atom(call.func.value)}.to_empty(device={device})"
            yield likely(case.edit().replace(call, text), what=case.text(call.func.value))


@rewrite("float-for-mps", "mps-unsupported", grades=LIKELY)
def float_for_mps(case: Case) -> Iterator[Proposal]:
    """Casts to float32 before the data go to a device that knows no float64."""
    if "float64" not in case.message and "double" not in case.message.lower():
        return
    for call in case.failing_calls("to"):
        if isinstance(call.func, cst.Attribute):
            text = f"{case.atom(call.func.value)}.float()"
            yield likely(
                case.edit().replace(call.func.value, text), what=case.text(call.func.value)
            )
