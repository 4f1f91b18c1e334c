"""Rewrites of NumPy arrays and lists on their way into tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import (
    LIKELY,
    SURE,
    Case,
    Grade,
    Proposal,
    guess,
    likely,
    rewrite,
    sure,
)
from bot.rewrites.losses import is_loss
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import inputs

_CONVERTING: Final = frozenset({"from_numpy", "as_tensor", "tensor", "Tensor", "FloatTensor"})
_TAKING_LISTS: Final = frozenset({"append", "print", "dumps", "dump", "extend"})
_MAKING_TENSORS: Final = _CONVERTING | {"randn", "zeros", "ones", "rand"}


@rewrite("copy-array", "negative-stride-numpy", grades=SURE)
def copy_array(case: Case) -> Iterator[Proposal]:
    """Copies a flipped array, so that its numbers lie in order in memory."""
    for call in case.failing(cst.Call):
        if called(call) in _CONVERTING and call.args:
            data = call.args[0].value
            yield sure(case.edit().replace(data, f"{case.atom(data)}.copy()"), what=case.text(data))
    for node in case.failing(cst.Subscript):
        if "step" in case.message or "stride" in case.message:
            text = f"{case.atom(node.value)}.flip(0)"
            if case.text(node).endswith("[::-1]") and not any(
                called(c) in _CONVERTING for c in case.failing(cst.Call)
            ):
                yield sure(case.edit().replace(node, text), what=case.text(node))


@rewrite("array-as-numbers", "numpy-object-array", grades=(Grade.SURE, Grade.LIKELY))
def array_as_numbers(case: Case) -> Iterator[Proposal]:
    """Makes an array of objects or of text an array of float32 before it becomes a tensor."""
    if "sequence of length" in case.message:
        return
    for call in case.failing(cst.Call):
        if called(call) not in _CONVERTING or not call.args:
            continue
        data = call.args[0].value
        if isinstance(data, cst.Attribute) and data.attr.value == "values":
            text = f'{case.atom(data.value)}.astype("float32").values'
        else:
            text = f'{case.atom(data)}.astype("float32")'
        yield sure(case.edit().replace(data, text), what=case.text(data))


@rewrite(
    "stack-list-of-tensors",
    "item-multi-element",
    "numpy-object-array",
    "silent-dataloader-slow",
    grades=(Grade.SURE, Grade.LIKELY),
)
def stack_list(case: Case) -> Iterator[Proposal]:
    """Makes one tensor of a list of tensors with stack, or of arrays through one array."""
    calls = case.failing(cst.Call) if case.statement is not None else list(case.source.calls)
    for call in calls:
        if called(call) not in {"tensor", "Tensor", "FloatTensor", "LongTensor", "as_tensor"}:
            continue
        if not call.args or not isinstance(call.func, cst.Attribute):
            continue
        data = call.args[0].value
        value = case.names.value(data)
        if case.slug == "silent-dataloader-slow":
            if isinstance(value, cst.List | cst.ListComp):
                edit = case.edit().importing("import numpy as np")
                edit.replace(data, f"np.array({case.text(data)})")
                yield sure(edit, what=case.text(data))
        elif isinstance(value, cst.List | cst.ListComp) or value is None:
            kept = [a for a in call.args[1:] if a.keyword and a.keyword.value == "dtype"]
            text = f"torch.stack({case.text(data)})"
            if kept:
                text += f".to({case.text(kept[0].value)})"
            yield sure(
                case.edit().replace(call, text).importing("import torch"), what=case.text(data)
            )


@rewrite("pad-rows", "numpy-object-array", grades=LIKELY)
def pad_rows(case: Case) -> Iterator[Proposal]:
    """Makes a tensor of lists of unequal length by filling the short ones up."""
    if "sequence of length" not in case.message:
        return
    for call in case.failing_calls("tensor", "as_tensor", "LongTensor", "FloatTensor"):
        if not call.args:
            continue
        edit = case.edit().importing("from torch.nn.utils.rnn import pad_sequence")
        rest = "".join(f", {case.text(a).rstrip(', ')}" for a in call.args[1:])
        row = f"{case.text(call.func)}(row{rest})"
        text = f"pad_sequence([{row} for row in {case.text(call.args[0].value)}], batch_first=True)"
        yield likely(edit.replace(call, text), what=case.text(call.args[0].value))


def _plain_places(case: Case) -> list[cst.BaseExpression]:
    """Expressions of the failing line that may be a list or an array where a tensor is wanted."""
    places = inputs(case)
    argument_name = case.word("argument")
    position = case.number("position")
    for call in case.failing_calls(case.word("function").rpartition(".")[2], called_name(case)):
        at = (position - 1 if position else 0) - (1 if case.is_method(call) else 0)
        value = nth(call, at, argument_name)
        if value is not None:
            places.append(value)
    return list(dict.fromkeys(places))


def called_name(case: Case) -> str:
    """The function that a message names, without its module."""
    return case.word("function").removesuffix("()")


@rewrite(
    "tensor-of-array", "arg-must-be-tensor", "dtype-mismatch", grades=(Grade.SURE, Grade.LIKELY)
)
def tensor_of_array(case: Case) -> Iterator[Proposal]:
    """Makes a tensor of an array or a list before torch computes with it."""
    got = case.word("got")
    message = case.message
    if case.slug == "dtype-mismatch" or "tuple" in got or "None" in got:
        return
    for node in case.failing(cst.Attribute):
        # 'numpy.ndarray' object has no attribute 'unsqueeze'
        if f"attribute '{node.attr.value}'" in message and "ndarray" in message:
            if node.attr.value == "numpy":
                call = case.source.parent(node)
                if isinstance(call, cst.Call):
                    yield sure(
                        case.edit().replace(call, case.text(node.value)), what=case.text(node)
                    )
                continue
            text = f"torch.as_tensor({case.text(node.value)})"
            edit = case.edit().replace(node.value, text).importing("import torch")
            yield sure(edit, what=case.text(node.value))
        elif f"attribute '{node.attr.value}'" in message and "'list'" in message:
            text = f"torch.tensor({case.text(node.value)})"
            edit = case.edit().replace(node.value, text).importing("import torch")
            yield sure(edit, what=case.text(node.value))
    for call in case.failing_calls("from_numpy"):
        new = call.func
        if "expected np.ndarray" in message and isinstance(new, cst.Attribute):
            edit = case.edit().swap(new.attr, cst.Name("as_tensor"))
            yield sure(edit, what=case.text(call))
    for place in _plain_places(case):
        if isinstance(place, cst.Call) and called(place) in _MAKING_TENSORS:
            continue
        for kind in (".float()", ""):
            number = "float" in got or "int" in got
            maker = "tensor" if number or "list" in got else "as_tensor"
            text = f"torch.{maker}({case.text(place)}){kind}"
            edit = case.edit().replace(place, text).importing("import torch")
            yield (sure if not kind else likely)(edit, what=case.text(place))


@rewrite(
    "unpack-batch",
    "arg-must-be-tensor",
    "torch-attribute-missing",
    "module-attribute-missing",
    grades=(Grade.SURE, Grade.LIKELY),
)
def unpack_batch(case: Case) -> Iterator[Proposal]:
    """Takes the tensors out of the list, or out of the numbered pair, that a loop hands over."""
    for loop in find(case.source.module, cst.For):
        counted = isinstance(loop.iter, cst.Call) and called(loop.iter) == "enumerate"
        target = loop.target
        inside = case.statement is not None and loop in [
            case.statement,
            *case.source.ancestors(case.statement),
        ]
        within = inside or any(loop in list(case.source.ancestors(call)) for call in case.callers)
        if not within:
            continue
        if counted and isinstance(target, cst.Tuple) and len(target.elements) == 2:
            pair = [element.value for element in target.elements]
            if all(isinstance(one, cst.Name) for one in pair) and "int" in case.message:
                text = f"_, ({case.text(pair[0])}, {case.text(pair[1])})"
                new = find(cst.parse_statement(f"{text} = 0"), cst.AssignTarget)[0].target
                yield sure(case.edit().swap(target, new), new=text)
        elif isinstance(target, cst.Name) and ("list" in case.message or "tuple" in case.message):
            for place in [*inputs(case), *(n for n in case.failing(cst.Name))]:
                if dotted(place) == target.value:
                    edit = case.edit().replace(place, f"{target.value}[0]")
                    yield likely(edit, new=f"{target.value}[0]")


def is_loss_value(case: Case, data: cst.BaseExpression) -> bool:
    """Whether an expression is a loss: by its name, or by what computes it."""
    if "loss" in (dotted(data) or "").lower():
        return True
    value = case.names.value(data)
    return value is not None and any(is_loss(case, call) for call in find(value, cst.Call))


@rewrite("numbers-as-list", "item-multi-element", grades=(Grade.LIKELY, Grade.GUESS))
def numbers_as_list(case: Case) -> Iterator[Proposal]:
    """Reads all the numbers of a tensor, as a list, with .tolist()."""
    for call in case.failing_calls("item"):
        if isinstance(call.func, cst.Attribute):
            above = case.source.parent(call)
            if isinstance(above, cst.Arg | cst.AssignTarget | cst.Assign | cst.Return):
                new = call.func.with_changes(attr=cst.Name("tolist"))
                holder = case.source.parent(above) if isinstance(above, cst.Arg) else None
                kept = isinstance(holder, cst.Call) and called(holder) in _TAKING_LISTS
                doubtful = not kept or is_loss_value(case, call.func.value)
                grade = guess if doubtful else likely
                yield grade(case.edit().swap(call.func, new), what=case.text(call.func.value))


@rewrite("one-number", "item-multi-element", grades=(Grade.LIKELY, Grade.GUESS))
def one_number(case: Case) -> Iterator[Proposal]:
    """Reads one number, the mean, of a tensor that holds several."""
    for call in case.failing(cst.Call):
        if called(call) == "item" and isinstance(call.func, cst.Attribute):
            data = call.func.value
        elif dotted(call.func) in {"float", "int"} and len(call.args) == 1:
            data = call.args[0].value
        else:
            continue
        if is_loss_value(case, data):
            edit = case.edit().replace(data, f"{case.atom(data)}.mean()")
            yield likely(edit, what=case.text(data))
        else:
            edit = case.edit().replace(data, f"{case.atom(data)}.float().mean()")
            yield guess(edit, what=case.text(data))


@rewrite("list-of-tensors", "cat-arg-type", grades=SURE)
def list_of_tensors(case: Case) -> Iterator[Proposal]:
    """Hands cat or stack its tensors as one list."""
    for call in case.failing_calls("cat", "stack", "concat", "hstack", "vstack"):
        positional = [arg for arg in call.args if arg.keyword is None]
        tensors = [a for a in positional if case.names.number(a.value) is None]
        rest = [case.text(a).rstrip(", ") for a in call.args if a not in tensors]
        if len(tensors) == 1:
            value = tensors[0].value
            if tensors[0].star:
                listed = case.text(value)
            elif isinstance(value, cst.GeneratorExp):
                listed = f"list({case.text(value)})"
            else:
                listed = f"list({case.text(value)})"
        else:
            listed = f"[{', '.join(case.text(a.value) for a in tensors)}]"
        text = f"{case.text(call.func)}({', '.join([listed, *rest])})"
        yield sure(case.edit().replace(call, text), new=text)


@rewrite("mask-with-and", "bool-ambiguous", grades=(Grade.SURE, Grade.GUESS))
def mask_with_and(case: Case) -> Iterator[Proposal]:
    """Combines masks with &, | and ~, element by element, in place of and, or and not."""
    edit, changed = case.edit(), False
    tested = isinstance(case.statement, cst.If | cst.While)
    for node in case.failing(cst.BooleanOperation):
        if isinstance(case.source.parent(node), cst.BooleanOperation):
            continue
        text = _element_wise(case, node)
        edit.replace(node, f"({text}).all()" if tested else text)
        changed = True
    if changed:
        yield (guess if tested else sure)(edit)


def _element_wise(case: Case, node: cst.BaseExpression) -> str:
    if isinstance(node, cst.BooleanOperation):
        sign = "&" if isinstance(node.operator, cst.And) else "|"
        return f"{_element_wise(case, node.left)} {sign} {_element_wise(case, node.right)}"
    text = case.text(node)
    return f"({text})" if isinstance(node, cst.Comparison) and not node.lpar else text


@rewrite("all-of-mask", "bool-ambiguous", grades=(Grade.LIKELY, Grade.GUESS))
def all_of_mask(case: Case) -> Iterator[Proposal]:
    """Asks with .all() or .any() whether every element, or one of them, fulfils a condition."""
    tests: list[cst.BaseExpression] = []
    if isinstance(case.statement, cst.If | cst.While):
        tests.append(case.statement.test)
    tests += [node.test for node in case.failing(cst.IfExp)]
    tests += [node.test for node in case.failing(cst.Assert)]
    tests += [a.value for c in case.failing_calls("bool") for a in c.args]
    for test in tests:
        inner = test.expression if isinstance(test, cst.UnaryOperation) else test
        if isinstance(inner, cst.BooleanOperation):
            continue
        whole = _compares_wholes(case, inner)
        asserted = any(node.test is test for node in case.failing(cst.Assert))
        for end in ("any", "all") if whole == "!=" else ("all", "any"):
            meant = (whole or asserted) and end == ("any" if whole == "!=" else "all")
            edit = case.edit().replace(inner, f"{case.atom(inner)}.{end}()")
            yield (likely if meant else guess)(edit, what=case.text(inner))


def _compares_wholes(case: Case, test: cst.BaseExpression) -> str:
    """The sign by which two parameters are compared, which are equal or not as a whole; else ""."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return ""
    (part,) = test.comparisons
    sign = {cst.Equal: "==", cst.NotEqual: "!="}.get(type(part.operator), "")
    sides = (test.left, part.comparator)
    return sign if all(_is_parameter(case, side) for side in sides) else ""


def _is_parameter(case: Case, node: cst.BaseExpression) -> bool:
    if any(one.attr.value in {"weight", "bias"} for one in find(node, cst.Attribute)):
        return True
    bound = case.names.resolve(node)
    values = [node, *([bound.value] if bound is not None else [])]
    values += [made for n in find(node, cst.Name) if (made := case.names.value(n)) is not None]
    makers = {"parameters", "named_parameters", "state_dict"}
    return any(called(call) in makers for value in values for call in find(value, cst.Call))


@rewrite("count-matches", "bool-ambiguous", grades=LIKELY)
def count_matches(case: Case) -> Iterator[Proposal]:
    """Counts how many elements of a batch agree, where an if can only ask about one."""
    test = case.statement
    if not isinstance(test, cst.If) or test.orelse is not None:
        return
    compares = (
        isinstance(test.test, cst.Comparison)
        and len(test.test.comparisons) == 1
        and not _compares_wholes(case, test.test)
    )
    lines = test.body.body if isinstance(test.body, cst.IndentedBlock) else ()
    if not compares or len(lines) != 1 or not isinstance(lines[0], cst.SimpleStatementLine):
        return
    counts = find(lines[0], cst.AugAssign)
    if (
        len(lines[0].body) == len(counts) == 1
        and isinstance(counts[0].operator, cst.AddAssign)
        and case.names.number(counts[0].value) == 1
    ):
        text = f"{case.text(counts[0].target)} += ({case.text(test.test)}).sum().item()"
        yield likely(case.edit().instead(test, text), new=text)


@rewrite("clamp-element-wise", "bool-ambiguous", grades=LIKELY)
def extremes_of_tensors(case: Case) -> Iterator[Proposal]:
    """Compares tensors element by element with torch.maximum or torch.minimum."""
    for call in case.failing_calls("max", "min"):
        if isinstance(call.func, cst.Name) and len(call.args) == 2:
            one, two = (arg.value for arg in call.args)
            numbers = [case.names.number(value) for value in (one, two)]
            edit = case.edit().importing("import torch")
            if numbers[0] is None and numbers[1] is None:
                edit.replace(call, f"torch.{called(call)}imum({case.text(one)}, {case.text(two)})")
            else:
                data, bound = (one, two) if numbers[0] is None else (two, one)
                side = "min" if called(call) == "max" else "max"
                edit.replace(call, f"{case.atom(data)}.clamp({side}={case.text(bound)})")
            yield likely(edit, old=case.text(call))
