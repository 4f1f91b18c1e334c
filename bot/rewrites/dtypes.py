"""Rewrites of dtypes: what has to be float, long or bool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import (
    GUESS,
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
from bot.rewrites.layers import with_argument
from bot.rewrites.losses import whole_numbers
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import inputs
from bot.rewrites.writing import INTEGERS, writings

_CASTS: Final = {
    "float": "float",
    "float32": "float",
    "double": "double",
    "float64": "double",
    "half": "half",
    "float16": "half",
    "bfloat16": "bfloat16",
    "long": "long",
    "int64": "long",
    "bool": "bool",
}
_MAKING: Final = frozenset(
    {"from_numpy", "as_tensor", "tensor", "arange", "randint", "linspace", "Tensor", "from_dlpack"}
)


def cast_of(word: str) -> str:
    """The tensor method that gives the dtype a message names: "Double", "torch.cuda.HalfTensor"."""
    name = word.lower().removeprefix("torch.").removeprefix("cuda.").removesuffix("tensor")
    return _CASTS.get(name, "float")


def _wanted(case: Case) -> str:
    weight = case.word("weight")
    if weight:
        return cast_of(weight)
    both = (cast_of(case.word("one")), cast_of(case.word("other")))
    if not case.word("one"):
        return "float"
    return next((one for one in ("float", "double", "bfloat16", "half") if one in both), both[0])


def _origin(case: Case, data: cst.BaseExpression) -> cst.BaseExpression | None:
    """The expression that makes a tensor of NumPy's or of integers, where it has a name."""
    for name in (data, *case.names.passed(data)):
        value = case.names.value(name)
        if value is None or value is data or dotted(name) is None:
            continue
        if any(called(call) in _MAKING for call in find(value, cst.Call)):
            return value
    return None


def _odd_operands(case: Case, wanted: str) -> list[cst.BaseExpression]:
    """The tensors in the failing line whose dtype, as the scene saw it, is not the wanted one."""
    odd = []
    for node in case.failing_expressions():
        thing = case.thing(node)
        if thing is None or not thing.dtype or thing.kind.value != "tensor":
            continue
        if cast_of(thing.dtype) != wanted or thing.dtype in INTEGERS:
            odd.append(node)
    return odd


@rewrite(
    "cast-input",
    "dtype-mismatch",
    grades=(Grade.SURE, Grade.LIKELY),
)
def cast_input(case: Case) -> Iterator[Proposal]:
    """Casts the data that go into a layer to the dtype of its weights."""
    if list(writings(case)):
        return
    wanted = _wanted(case)
    odd = _odd_operands(case, wanted)
    places = odd + [one for one in inputs(case) if one not in odd]
    for node in case.failing(cst.BinaryOperation):
        if isinstance(node.operator, cst.MatrixMultiply):
            places += [one for one in (node.left, node.right) if one not in places]
    for call in case.failing_calls("matmul", "mm", "bmm", "dot", "linear", "conv2d", "mv", "where"):
        places += [
            arg.value for arg in call.args if arg.keyword is None and arg.value not in places
        ]
    seen = set()
    for data in places:
        origin = _origin(case, data)
        for place in (origin, data):
            if place is None or place in seen or isinstance(place, cst.BaseNumber):
                continue
            seen.add(place)
            edit = case.edit().replace(place, f"{case.atom(place)}.{wanted}()")
            grade = sure if data in odd else likely
            yield grade(edit, what=case.text(data), dtype=wanted)


@rewrite("cast-all-arrays", "dtype-mismatch", "loss-target-dtype-float", grades=LIKELY)
def cast_all_arrays(case: Case) -> Iterator[Proposal]:
    """Casts every tensor that is made from a NumPy array to float32."""
    edit, count = case.edit(), 0
    for call in case.source.calls:
        if called(call) not in {"from_numpy", "as_tensor", "tensor"} or not call.args:
            continue
        above = case.source.parent(call)
        if isinstance(above, cst.Attribute) and above.attr.value in {"float", "long", "to", "int"}:
            continue
        if called(call) == "tensor" and (
            nth(call, 9, "dtype")
            or not isinstance(call.args[0].value, cst.Name | cst.Attribute | cst.Subscript)
        ):
            continue
        edit.replace(call, f"{case.text(call)}.float()")
        count += 1
    if count > 1:
        yield likely(edit, number=count)


@rewrite("model-to-float", "dtype-mismatch", grades=GUESS)
def model_to_float(case: Case) -> Iterator[Proposal]:
    """Keeps a model in float32, where .double() or .half() changed it."""
    for call in case.source.calls:
        if called(call) in {"double", "half", "bfloat16"} and isinstance(call.func, cst.Attribute):
            made = case.names.constructed(call.func.value)
            if made is not None and (called(made)[:1].isupper()):
                edit = case.edit().replace(call, case.text(call.func.value))
                yield guess(edit, what=case.text(call))


@rewrite(
    "cast-operand",
    "op-not-implemented-for-dtype",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def cast_operand(case: Case) -> Iterator[Proposal]:
    """Casts a tensor to a dtype that the operation is written for."""
    op, dtype = case.word("op"), case.word("dtype")
    if "bitwise" in op or op in {"and", "or", "xor"}:
        for node in case.failing(cst.BinaryOperation):
            edit = case.edit()
            for side in (node.left, node.right):
                edit.replace(side, f"{case.atom(side)}.bool()")
            yield likely(edit, what=case.text(node), dtype="bool")
        return
    if not dtype:
        return
    for call in case.failing(cst.Call):
        data = case.operand(call)
        if data is None or isinstance(data, cst.BaseNumber | cst.SimpleString):
            continue
        if called(call) in {"print", "item", "len"} or isinstance(call.func, cst.Name):
            continue
        edit = case.edit().replace(data, f"{case.atom(data)}.float()")
        grade = guess if "Complex" in dtype else sure
        yield grade(edit, what=case.text(data), dtype="float32")


@rewrite("mean-of-floats", "mean-of-int", grades=SURE)
def mean_of_floats(case: Case) -> Iterator[Proposal]:
    """Casts whole numbers or truth values to float before their mean is taken."""
    for call in case.failing_calls(
        "mean", "std", "var", "norm", "nanmean", "quantile", "median", "vector_norm", "std_mean"
    ):
        data = case.operand(call)
        if data is not None:
            edit = case.edit().replace(data, f"{case.atom(data)}.float()")
            yield sure(edit, what=case.text(data))


@rewrite(
    "index-to-long",
    "embedding-index-dtype",
    "index-tensor-dtype",
    grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS),
)
def index_to_long(case: Case) -> Iterator[Proposal]:
    """Casts the numbers that are used as indices to int64."""
    if case.fault.slots.get("mask") is not None or "mask" in case.message:
        return
    places: list[cst.BaseExpression] = []
    for call in case.failing_calls(
        "gather",
        "scatter",
        "scatter_",
        "scatter_add_",
        "index_select",
        "index_add_",
        "index_fill_",
        "take",
        "one_hot",
        "scatter_add",
        "index_copy_",
    ):
        method = case.is_method(call)
        at = 0 if called(call) == "one_hot" else (1 if method else 2)
        if called(call) == "take":
            at = 0 if method else 1
        index = nth(call, at, "index")
        places += [index] if index is not None else []
    if case.slug == "embedding-index-dtype":
        places += inputs(case, "embedding")
    for node in case.failing(cst.Subscript):
        for part in node.slice:
            if isinstance(part.slice, cst.Index) and not isinstance(
                part.slice.value, cst.BaseNumber | cst.SimpleString | cst.UnaryOperation
            ):
                places.append(part.slice.value)
    for place in places:
        edit = case.edit().replace(place, f"{case.atom(place)}.long()")
        yield whole_numbers(case, place)(edit, what=case.text(place))


@rewrite("mask-to-bool", "index-tensor-dtype", grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS))
def mask_to_bool(case: Case) -> Iterator[Proposal]:
    """Casts a mask to truth values."""
    for call in case.failing_calls(
        "masked_fill", "masked_fill_", "masked_select", "where", "masked_scatter_"
    ):
        at = 0 if case.is_method(call) or called(call) == "where" else 1
        mask = nth(call, at, "mask") or nth(call, at, "condition")
        if mask is not None:
            edit = case.edit().replace(mask, f"{case.atom(mask)}.bool()")
            thing = case.thing(mask)
            ends = (thing.minimum, thing.maximum) if thing is not None else (None, None)
            # Anything but 0 and 1 rather is what is added to scores, or indices.
            grade = likely if None in ends else sure if set(ends) <= {0, 1} else guess
            yield grade(edit, what=case.text(mask))


@rewrite("parameter-of-floats", "int-requires-grad", grades=SURE)
def parameter_of_floats(case: Case) -> Iterator[Proposal]:
    """Makes a tensor that is to get gradients of floats."""
    for call in case.failing(cst.Call):
        if called(call) in {
            "tensor",
            "arange",
            "as_tensor",
            "full",
            "ones",
            "zeros",
            "eye",
            "randint",
        }:
            new = with_argument(case, call, "dtype", "torch.float32")
            yield sure(case.edit().swap(call, new).importing("import torch"), what=case.text(call))
        elif called(call) in {"Parameter", "Variable"} and call.args:
            data = call.args[0].value
            if not find(data, cst.Call):
                edit = case.edit().replace(data, f"{case.atom(data)}.float()")
                yield sure(edit, what=case.text(data))
        elif called(call) == "requires_grad_" and isinstance(call.func, cst.Attribute):
            data = call.func.value
            value = case.names.value(data)
            if dotted(data) is not None and value is not None:
                data = value
            edit = case.edit().replace(data, f"{case.atom(data)}.float()")
            yield sure(edit, what=case.text(data))
    for assign in case.failing(cst.Assign):
        target = assign.targets[0].target
        if isinstance(target, cst.Attribute) and target.attr.value == "requires_grad":
            value = case.names.value(target.value)
            if value is not None:
                edit = case.edit().replace(value, f"{case.atom(value)}.float()")
                yield sure(edit, what=case.text(target.value))


@rewrite("overflow-to-lowest", "value-overflow", grades=SURE)
def overflow_to_lowest(case: Case) -> Iterator[Proposal]:
    """Fills with the lowest number of the tensor's own dtype."""
    for call in case.failing_calls("masked_fill", "masked_fill_", "fill_", "full_like"):
        data = case.operand(call)
        value = call.args[-1].value if call.args else None
        if data is None or value is None:
            continue
        if isinstance(data, cst.Name | cst.Attribute | cst.Subscript):
            end = "min" if "-" in case.text(value) + case.word("value") else "max"
            edit = case.edit().replace(value, f"torch.finfo({case.text(data)}.dtype).{end}")
            yield sure(edit.importing("import torch"), old=case.text(value))
        else:
            sign = "-" if "-" in case.text(value) else ""
            yield sure(case.edit().replace(value, f"{sign}1e4"), old=case.text(value))


@rewrite(
    "invert-mask", "bool-subtract", "loss-target-dtype-float", grades=(Grade.SURE, Grade.LIKELY)
)
def invert_mask(case: Case) -> Iterator[Proposal]:
    """Inverts a mask with ~ in place of a subtraction, and subtracts numbers, not truth values."""
    for node in case.failing(cst.BinaryOperation):
        if not isinstance(node.operator, cst.Subtract):
            continue
        left = case.names.number(node.left)
        if left == 1 or case.text(node.left) == "True":
            edit = case.edit().replace(node, f"~{case.atom(node.right)}")
            yield sure(edit, old=case.text(node))
        else:
            edit = case.edit()
            for side in (node.left, node.right):
                if case.names.number(side) is None:
                    edit.replace(side, f"{case.atom(side)}.float()")
            yield likely(edit, old=case.text(node))
    for unary in case.failing(cst.UnaryOperation):
        if isinstance(unary.operator, cst.Minus):
            edit = case.edit().replace(unary, f"~{case.atom(unary.expression)}")
            yield sure(edit, old=case.text(unary))


@rewrite("whole-sizes", "invalid-argument-combination", grades=(Grade.SURE, Grade.LIKELY))
def whole_sizes(case: Case) -> Iterator[Proposal]:
    """Makes sizes whole numbers, with // in place of /."""
    if "float" not in case.message:
        return
    for call in case.failing(cst.Call):
        for arg in call.args:
            value = arg.value
            made = case.names.value(value)
            for node in [n for n in (value, made) if n is not None]:
                for part in find(node, cst.BinaryOperation):
                    if isinstance(part.operator, cst.Divide):
                        new = part.with_changes(
                            operator=cst.FloorDivide(
                                part.operator.whitespace_before, part.operator.whitespace_after
                            )
                        )
                        yield sure(case.edit().swap(part, new), old=case.text(part))
                if isinstance(node, cst.Float) and node.evaluated_value == int(
                    node.evaluated_value
                ):
                    edit = case.edit().replace(node, str(int(node.evaluated_value)))
                    yield sure(edit, old=case.text(node))
            if isinstance(value, cst.Name | cst.Call | cst.Attribute) and made is None:
                edit = case.edit().replace(value, f"int({case.text(value)})")
                yield likely(edit, old=case.text(value))


@rewrite(
    "tensor-for-Tensor",
    "invalid-argument-combination",
    "silent-tensor-vs-Tensor",
    grades=(Grade.SURE, Grade.LIKELY),
)
def tensor_for_class(case: Case) -> Iterator[Proposal]:
    """Makes tensors of data with torch.tensor, and of sizes with torch.zeros."""
    edit, changed = case.edit(), 0
    calls = case.failing(cst.Call) if case.statement is not None else list(case.source.calls)
    for call in calls:
        if called(call) not in {"Tensor", "FloatTensor", "LongTensor"} or not call.args:
            continue
        if not isinstance(call.func, cst.Attribute):
            continue
        values = [arg.value for arg in call.args if arg.keyword is None]
        sizes = bool(values) and all(isinstance(case.names.number(v), int) for v in values)
        if case.slug == "silent-tensor-vs-Tensor" and not sizes and called(call) != "Tensor":
            continue
        if case.slug != "silent-tensor-vs-Tensor" and sizes and len(values) == len(call.args):
            continue
        edit.swap(call.func, call.func.with_changes(attr=cst.Name("zeros" if sizes else "tensor")))
        changed += 1
    if changed:
        yield (sure if case.slug != "silent-tensor-vs-Tensor" else likely)(edit)
