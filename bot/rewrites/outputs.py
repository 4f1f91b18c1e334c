"""Rewrites of values on their way out of torch: to NumPy, pictures, JSON and text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.arrays import is_loss_value
from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.source import called, dotted, find


@rewrite("float-for-numpy", "bfloat16-numpy", grades=SURE)
def float_for_numpy(case: Case) -> Iterator[Proposal]:
    """Casts to float32 before NumPy, which knows no bfloat16, reads a tensor."""
    for call in case.failing_calls("numpy"):
        if isinstance(call.func, cst.Attribute):
            data = call.func.value
            edit = case.edit().replace(data, f"{case.atom(data)}.float()")
            yield sure(edit, what=case.text(data))


@rewrite("channels-last", "image-array-shape", grades=(Grade.SURE, Grade.LIKELY))
def channels_last(case: Case) -> Iterator[Proposal]:
    """Moves the channels of a picture to the end, where drawing functions look for them."""
    shape = case.shape("shape")
    for call in case.failing_calls("imshow", "fromarray", "imsave"):
        for arg in call.args[:2]:
            data = arg.value
            inner = data
            while isinstance(inner, cst.Call) and called(inner) in {"numpy", "cpu", "detach"}:
                inner = inner.func.value if isinstance(inner.func, cst.Attribute) else inner
            known = case.shape_of(data) or case.shape_of(inner) or shape
            array = case.thing(data) is not None and case.thing(data).type == "ndarray"  # type: ignore[union-attr]
            value = case.names.value(data)
            array = array or (
                isinstance(value, cst.Call) and called(value) == "numpy" and inner is data
            )
            if known is not None and len(known) == 4 and known[0] == 1:
                first = f"{case.atom(inner)}[0]"
                known = known[1:]
            else:
                first = case.atom(inner)
            if known is None or len(known) != 3 or isinstance(inner, cst.BaseNumber):
                continue
            if known[0] == 1:
                text = f"{first}.squeeze(0)"
            elif array:
                text = f"{first}.transpose(1, 2, 0)"
            else:
                text = f"{first}.permute(1, 2, 0)"
            yield sure(case.edit().replace(inner, text), what=case.text(inner))


@rewrite("plain-number", "tensor-not-serializable", grades=(Grade.SURE, Grade.LIKELY))
def plain_number(case: Case) -> Iterator[Proposal]:
    """Hands a plain number, .item(), to what knows no tensors: JSON, rounding, formatting."""
    places: list[cst.BaseExpression] = []
    parts = case.failing(cst.FormattedStringExpression)
    places += [part.expression for part in parts if part.format_spec]
    for call in case.failing_calls("round", "format"):
        places += [arg.value for arg in call.args[: 1 if called(call) == "round" else None]]
    for call in case.failing_calls("dump", "dumps"):
        for arg in call.args[:1]:
            value = case.names.value(arg.value) or arg.value
            if isinstance(value, cst.Dict | cst.List):
                places += [element.value for element in value.elements]
    yield from _all_in_json(case)
    for place in places:
        if isinstance(place, cst.BaseNumber | cst.SimpleString | cst.List | cst.Dict):
            continue
        thing = case.thing(place)
        many = thing is not None and thing.shape is not None and any(n > 1 for n in thing.shape)
        made = case.names.value(place)
        if isinstance(made, cst.BaseNumber | cst.SimpleString):
            continue
        end = "tolist()" if many else "item()"
        edit = case.edit().replace(place, f"{case.atom(place)}.{end}")
        yield (sure if thing is not None else likely)(edit, what=case.text(place))


def _all_in_json(case: Case) -> Iterator[Proposal]:
    """All tensors of what is written as JSON made numbers or lists where it is put together."""
    edit, first = case.edit(), ""
    used = {dotted(name) for name in case.failing(cst.Name)} - {None}
    values: list[cst.BaseExpression] = []
    for call in case.failing_calls("dump", "dumps"):
        for arg in call.args[:1]:
            whole = case.names.value(arg.value) or arg.value
            values += [e.value for d in find(whole, cst.Dict) for e in d.elements]
            values += [e.value for d in find(whole, cst.List) for e in d.elements]
    if not case.failing_calls("dump", "dumps"):
        return
    for assign in find(case.source.module, cst.Assign):
        target = assign.targets[0].target
        if isinstance(target, cst.Subscript) and dotted(target.value) in used:
            values.append(assign.value)
    for call in case.source.calls:
        if called(call) == "append" and call.args and isinstance(call.func, cst.Attribute):
            kept = call.func.value
            if dotted(kept) in used:
                values += [e.value for d in find(call.args[0], cst.Dict) for e in d.elements]
            elif isinstance(kept, cst.Subscript) and dotted(kept.value) in used:
                values.append(call.args[0].value)
    for value in dict.fromkeys(values):
        if is_tensor(case, value):
            one = is_loss_value(case, value)
            edit.replace(value, f"{case.atom(value)}.{'item' if one else 'tolist'}()")
            first = first or case.text(value)
    if first:
        yield likely(edit, what=first)


def is_tensor(case: Case, node: cst.BaseExpression, depth: int = 6) -> bool:
    """Whether an expression is a tensor for certain: what torch, a model or a loss returns."""
    if isinstance(node, cst.Attribute) and node.attr.value in {"weight", "bias", "grad", "data"}:
        return True
    value = case.names.value(node)
    if value is None or depth == 0:
        return False
    if isinstance(value, cst.Comparison):
        return is_tensor(case, value.left, depth - 1)
    if isinstance(value, cst.BinaryOperation):
        return any(is_tensor(case, side, depth - 1) for side in (value.left, value.right))
    if isinstance(value, cst.Subscript):
        return is_tensor(case, value.value, depth - 1)
    if not isinstance(value, cst.Call) or called(value) in _PLAIN:
        return False
    home = (dotted(value.func) or "").partition(".")[0]
    if case.source.imported.get(home, home).partition(".")[0] == "torch":
        return not called(value)[:1].isupper()
    if case.names.constructed(value.func) is not None and dotted(value.func) is not None:
        return True
    if isinstance(value.func, cst.Call):
        return called(value.func)[:1].isupper()
    return isinstance(value.func, cst.Attribute) and is_tensor(case, value.func.value, depth - 1)


_PLAIN: Final = frozenset({"item", "tolist", "numpy", "size", "numel", "dim", "load", "save"})
"""Methods and functions of torch that return no tensor."""


@rewrite(
    "append-numbers",
    "tensor-not-serializable",
    "item-multi-element",
    "cuda-tensor-to-numpy",
    grades=LIKELY,
)
def append_numbers(case: Case) -> Iterator[Proposal]:
    """Collects plain numbers in a list, .item(), in place of tensors."""
    edit, changed = case.edit(), False
    used = {dotted(name) for name in case.failing(cst.Name)}
    for call in case.source.calls:
        if called(call) != "append" or not isinstance(call.func, cst.Attribute) or not call.args:
            continue
        value = call.args[0].value
        plain = any(called(inner) in {"item", "tolist"} for inner in find(value, cst.Call))
        if dotted(call.func.value) in used and not find(value, cst.SimpleString) and not plain:
            edit.replace(value, f"{case.atom(value)}.item()")
            changed = True
    if changed:
        yield likely(edit)
