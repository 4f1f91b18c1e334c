"""Where in the code a value can be changed: a layer's size, its input, what came before it."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from bot.rewrites.case import Case
from bot.rewrites.editor import Editor
from bot.rewrites.layers import argument, with_argument
from bot.rewrites.source import called, dotted, find


def set_number(case: Case, call: cst.Call, name: str, number: int) -> Editor:
    """An edit that gives a layer another size, where the learner wrote it.

    A size that came in through a parameter of the class is changed where the class is made,
    unless the class uses the parameter for something else too.
    """
    value = argument(call, name)
    if isinstance(value, cst.Name):
        passed = case.names.passed(value)
        owner = case.names.scope(value)
        uses = [n for n in find(owner, cst.Name) if n.value == value.value]
        if len(passed) == 1 and len(uses) == 2:  # the parameter itself and this use
            return case.edit().replace(passed[0], str(number))
    return case.edit().swap(call, with_argument(case, call, name, str(number)))


def uses_of(case: Case, maker: cst.Call) -> list[cst.Call]:
    """The calls in the failing line of what a constructor built, alone or inside a Sequential."""
    found = []
    for call in case.failing(cst.Call):
        if call is maker or not call.args:
            continue
        made = case.names.constructed(call.func)
        if (made is not None and maker in find(made, cst.Call)) or call.func is maker:
            found.append(call)
    return found


def layer_calls(case: Case) -> list[cst.Call]:
    """The calls in the failing line that run a layer, a model or a loss of the snippet."""
    found = []
    for call in case.failing(cst.Call):
        if not call.args or case.is_module_name(call.func):
            continue
        name = dotted(call.func) or ""
        instance = case.names.constructed(call.func)
        if (
            (
                instance is not None
                and (called(instance)[:1].isupper() or called(instance) in case.names.classes)
            )
            or (
                name.startswith("self.") and name.count(".") == 1 and not _is_own_method(case, call)
            )
            or isinstance(call.func, cst.Call | cst.Subscript)
            or name in _MODEL_NAMES
        ):
            found.append(call)
    return found


_MODEL_NAMES = frozenset({"model", "net", "network", "layer", "encoder", "decoder", "classifier"})


def _is_own_method(case: Case, call: cst.Call) -> bool:
    owner = case.names.owner(call)
    return owner is not None and any(
        function.name.value == called(call) for function in find(owner, cst.FunctionDef)
    )


def first_argument(call: cst.Call) -> cst.BaseExpression | None:
    """The first positional argument, else that of the keyword `input` or `x`."""
    for arg in call.args:
        if not arg.star and (arg.keyword is None or arg.keyword.value in {"input", "x"}):
            return arg.value
    return None


def outer_inputs(case: Case) -> Iterator[cst.BaseExpression]:
    """The arguments that the callers of the failing `forward` give it first."""
    for call in case.callers:
        if (value := first_argument(call)) is not None:
            yield value


def inner_inputs(case: Case, *functions: str) -> Iterator[cst.BaseExpression]:
    """The first arguments of the layers, or of the named functions, in the failing line."""
    calls = layer_calls(case)
    for call in case.failing_calls(*functions) if functions else ():
        if all(call is not one for one in calls):
            calls.append(call)
    for call in calls:
        value = case.operand(call) if called(call) in functions else first_argument(call)
        if value is not None:
            yield value


def inputs(case: Case, *functions: str) -> list[cst.BaseExpression]:
    """Where the data enter what failed: at the call of the model first, then at the layer."""
    return [*outer_inputs(case), *inner_inputs(case, *functions)]


def sequential_of(case: Case, call: cst.Call) -> tuple[cst.Call, int] | None:
    """The `Sequential(...)` that a layer is written in, with its position."""
    arg = case.source.parent(call)
    holder = case.source.parent(arg) if isinstance(arg, cst.Arg) else None
    if isinstance(holder, cst.Call) and called(holder) == "Sequential":
        return holder, [one.value for one in holder.args].index(call)
    return None
