"""Rewrites of indices, masks, embeddings and gather."""

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
from bot.rewrites.layers import argument, constructors, with_argument
from bot.rewrites.losses import each_target
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted, find
from bot.rewrites.spots import first_argument, inner_inputs, inputs, set_number, uses_of

_IGNORED: Final = frozenset({255, 254, -1})
"""What masks and labels hold where there is no class (-100 is left out without being told)."""


def _largest(case: Case, data: cst.BaseExpression) -> tuple[int | None, int | None]:
    """The smallest and the largest number in a tensor: as seen, or as it is written."""
    thing = case.thing(data)
    if thing is not None and thing.maximum is not None and thing.minimum is not None:
        return int(thing.minimum), int(thing.maximum)
    value = case.names.value(data)
    if value is None:
        for given in case.names.passed(data):
            return _largest(case, given)
        return None, None
    while isinstance(value, cst.Call) and called(value) in {
        "long",
        "to",
        "int",
        "unsqueeze",
        "view",
    }:
        inner = case.operand(value)
        value = case.names.value(inner) if inner is not None else None
    if isinstance(value, cst.Call) and called(value) in {"tensor", "LongTensor", "as_tensor"}:
        numbers = [int(n.evaluated_value) for n in find(value.args[0], cst.Integer)]
        return (min(numbers), max(numbers)) if numbers else (None, None)
    if isinstance(value, cst.Call) and called(value) == "randint":
        plain = [case.names.number(arg.value) for arg in value.args if arg.keyword is None]
        ends = [int(n) for n in plain if n is not None]
        if len(ends) == 1:
            return 0, ends[0] - 1
        if len(ends) >= 2:
            return ends[0], ends[1] - 1
    if isinstance(value, cst.Call) and called(value) == "arange" and value.args:
        end = case.names.number(value.args[-1 if len(value.args) < 3 else 1].value)
        start = case.names.number(value.args[0].value) if len(value.args) > 1 else 0
        if isinstance(end, int) and isinstance(start, int):
            return start, end - 1
    return None, None


@rewrite("raise-num-embeddings", "embedding-index-out-of-range", grades=LIKELY)
def raise_num_embeddings(case: Case) -> Iterator[Proposal]:
    """Gives an embedding as many rows as its largest index asks for."""
    for embedding in constructors(case, "Embedding", "EmbeddingBag"):
        rows = argument(embedding, "num_embeddings")
        old = case.names.number(rows) if rows is not None else None
        index = case.number("index")
        largest = [index] if index is not None else []
        for use in uses_of(case, embedding):
            data = first_argument(use)
            found = _largest(case, data)[1] if data is not None else None
            largest += [found] if found is not None else []
        if not largest:
            seen = [_largest(case, data)[1] for data in inputs(case)]
            largest = [one for one in seen if one is not None]
        if largest and (old is None or max(largest) >= old):
            edit = set_number(case, embedding, "num_embeddings", max(largest) + 1)
            was = case.text(rows) if rows is not None else "?"
            yield likely(edit, old=was, number=max(largest) + 1)


@rewrite(
    "count-from-zero",
    "embedding-index-out-of-range",
    "target-out-of-bounds",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def count_from_zero(case: Case) -> Iterator[Proposal]:
    """Subtracts one from indices or classes that are numbered from 1."""
    if case.slug == "target-out-of-bounds":
        places = [target for _, _, target in each_target(case)]
    else:
        places = list(inner_inputs(case, "embedding"))
    for data in places:
        smallest, _ = _largest(case, data)
        if smallest is None or smallest >= 1:
            edit = case.edit().replace(data, f"{case.atom(data)} - 1")
            yield (likely if smallest == 1 else guess)(edit, what=case.text(data))


@rewrite("cover-all-classes", "target-out-of-bounds", grades=(Grade.LIKELY, Grade.GUESS))
def cover_all_classes(case: Case) -> Iterator[Proposal]:
    """Gives the last layer, or one_hot, as many classes as the targets name."""
    target = case.number("target")
    for call in case.failing_calls("one_hot"):
        data = nth(call, 0, "tensor")
        largest = _largest(case, data)[1] if data is not None else None
        classes = nth(call, 1, "num_classes")
        if classes is not None and largest is not None:
            edit = case.edit().replace(classes, str(largest + 1))
            grade = likely if _is_class(case, data, largest, case.names.number(classes)) else guess
            yield grade(edit, old=case.text(classes), number=largest + 1)
    if target is None or target < 1:
        return
    targets = [target for _, _, target in each_target(case)]
    seen = [most for one in targets if (most := _largest(case, one)[1]) is not None]
    number = max([target, *seen]) + 1
    lasts = constructors(case, "Linear")
    for layer in sorted(lasts, key=case.source.line)[-1:]:
        was = argument(layer, "out_features")
        old = case.names.number(was) if was is not None else None
        if was is not None and (old is None or old < number):
            from_one = any(_largest(case, one)[0] == 1 for one in targets)
            lacking = _classes_lack(case, targets, number - 1, old)
            grade = likely if lacking and not from_one else guess
            edit = set_number(case, layer, "out_features", number)
            yield grade(edit, old=case.text(was), number=number)


def _classes_lack(
    case: Case, targets: list[cst.BaseExpression], largest: int, classes: float | None
) -> bool:
    """Whether a layer of so many classes left out the largest one of any target."""
    if not targets:
        return _is_class(case, None, largest, classes)
    return any(_is_class(case, one, largest, classes) for one in targets)


def _is_class(
    case: Case, data: cst.BaseExpression | None, largest: int, classes: float | None
) -> bool:
    """Whether the largest target is a class that a layer of so many classes left out.

    It is when it is the next number, or when the data are visibly drawn from more classes. A number
    far above them rather is a mistake in the data, or stands for what is to be ignored.
    """
    if largest == classes:
        return True
    value = case.names.value(data) if data is not None else None
    drawn = value is not None and any(called(c) == "randint" for c in find(value, cst.Call))
    return drawn and largest not in _IGNORED


@rewrite("ignore-value", "target-out-of-bounds", grades=(Grade.LIKELY, Grade.GUESS))
def ignore_value(case: Case) -> Iterator[Proposal]:
    """Lets the loss leave out the number that marks what has no class, with ignore_index."""
    target = case.number("target")
    if target not in _IGNORED:
        return
    grade = likely if target in {254, 255} else guess
    for call in case.failing(cst.Call):
        made = case.names.constructed(call.func)
        if isinstance(call.func, cst.Call):
            made = call.func
        if called(call) in {"cross_entropy", "nll_loss"}:
            made = call
        kinds = {"CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"}
        if made is not None and called(made) in kinds:
            new = with_argument(case, made, "ignore_index", str(target))
            yield grade(case.edit().swap(made, new), number=target)


@rewrite("gather-column", "gather-index-shape", grades=(Grade.SURE, Grade.GUESS))
def gather_column(case: Case) -> Iterator[Proposal]:
    """Makes the index of gather a column, and takes the column away from the result."""
    for call in case.failing_calls("gather", "take_along_dim"):
        method = case.is_method(call)
        index = nth(call, 1 if method else 2, "index")
        dim = nth(call, 0 if method else 1, "dim")
        if index is None or dim is None:
            continue
        at = case.text(dim)
        if at == "0":
            continue
        made = f"{case.atom(index)}.unsqueeze({at})"
        edit = case.edit().replace(call, f"{_exchanged(case, call, index, made)}.squeeze({at})")
        grade = sure if "same number of dimensions" in case.message else guess
        yield grade(edit, what=case.text(index))


def _exchanged(case: Case, call: cst.Call, old: cst.BaseExpression, new: str) -> str:
    args = [
        arg.with_changes(value=cst.parse_expression(new)) if arg.value is old else arg
        for arg in call.args
    ]
    return case.text(call.with_changes(args=args))


@rewrite("loop-to-size", "index-out-of-bounds", grades=LIKELY)
def loop_to_size(case: Case) -> Iterator[Proposal]:
    """Loops over as many positions as the tensor has, from 0."""
    dim = case.number("dim") or 0
    for node in case.failing(cst.Subscript):
        for name in find(node, cst.Name):
            loop = case.names.resolve(name)
            if loop is None or not loop.loop or not isinstance(loop.value, cst.Call):
                continue
            if called(loop.value) == "range":
                size = f"range({case.atom(node.value)}.size({dim}))"
                yield likely(case.edit().replace(loop.value, size), what=case.text(loop.value))


@rewrite("last-index", "index-out-of-bounds", grades=GUESS)
def last_index(case: Case) -> Iterator[Proposal]:
    """Takes the last element, at size - 1, where the size itself is the index."""
    index, size = case.number("index"), case.number("size")
    if index is None or size is None or index != size:
        return
    for node in case.failing(cst.Subscript):
        for part in node.slice:
            if isinstance(part.slice, cst.Index):
                value = part.slice.value
                number = case.names.number(value)
                if number == index:
                    yield guess(case.edit().replace(value, str(index - 1)), number=index - 1)
                elif number is None and ("len" in case.text(value) or "size" in case.text(value)):
                    edit = case.edit().replace(value, f"{case.text(value)} - 1")
                    yield guess(edit, number=index - 1)


@rewrite("read-scalar", "too-many-indices", grades=SURE)
def read_scalar(case: Case) -> Iterator[Proposal]:
    """Reads a tensor without dimensions with .item() instead of an index."""
    if "0-dim" not in case.message and case.number("ndim") != 0:
        return
    for node in case.failing(cst.Subscript):
        inner = node.value
        if isinstance(inner, cst.Attribute) and inner.attr.value == "data":
            inner = inner.value
        yield sure(case.edit().replace(node, f"{case.atom(inner)}.item()"), what=case.text(node))


@rewrite("index-from-the-end", "too-many-indices", grades=LIKELY)
def index_from_the_end(case: Case) -> Iterator[Proposal]:
    """Indexes the last dimensions, with or without a batch in front."""
    if case.number("ndim") == 0:
        return
    for node in case.failing(cst.Subscript):
        if len(node.slice) > 1 and case.text(node.slice[0]).strip(" ,") == ":":
            first = node.slice[0].with_changes(slice=cst.Index(cst.Ellipsis()))
            new = node.with_changes(slice=[first, *node.slice[1:]])
            yield likely(case.edit().swap(node, new), what=case.text(node))


@rewrite("mask-without-column", "mask-shape-mismatch", grades=(Grade.LIKELY, Grade.GUESS))
def mask_without_column(case: Case) -> Iterator[Proposal]:
    """Makes a mask of one column a plain row of truth values, one an element."""
    mask = case.shape("mask")
    if not mask or len(mask) < 2 or mask[-1] != 1:
        return
    for node in case.failing(cst.Subscript):
        value = node.slice[0].slice
        if isinstance(value, cst.Index):
            edit = case.edit().replace(value.value, f"{case.atom(value.value)}.squeeze(-1)")
            yield likely(edit, what=case.text(value.value))


@rewrite(
    "transpose-mask",
    "mask-shape-mismatch",
    "attention-mask-shape",
    grades=(Grade.LIKELY, Grade.GUESS),
)
def transpose_mask(case: Case) -> Iterator[Proposal]:
    """Transposes a mask whose two sizes stand in the other order."""
    for call in case.failing(cst.Call) if case.slug == "attention-mask-shape" else ():
        for arg in call.args:
            if arg.keyword is not None and "mask" in arg.keyword.value:
                shape = case.shape_of(arg.value)
                edit = case.edit().replace(arg.value, f"{case.atom(arg.value)}.T")
                if shape is None or len(shape) == 2:
                    yield likely(edit, what=case.text(arg.value))
    mask, shape = case.shape("mask"), case.shape("shape")
    if mask and shape and mask[::-1] == shape:
        for node in case.failing(cst.Subscript):
            value = node.slice[0].slice
            if isinstance(value, cst.Index):
                edit = case.edit().replace(value.value, f"{case.atom(value.value)}.T")
                yield guess(edit, what=case.text(value.value))


@rewrite("next-of-loader", "dataloader-iterator", "dataset-method-missing", grades=SURE)
def next_of_loader(case: Case) -> Iterator[Proposal]:
    """Takes the first batch with next(iter(loader)); a DataLoader has no index."""
    for node in case.failing(cst.Subscript):
        name = dotted(node.value) or ""
        if case.names.kind(node.value) == "DataLoader" or "loader" in name.lower():
            edit = case.edit().replace(node, f"next(iter({case.text(node.value)}))")
            yield sure(edit, what=case.text(node))
    for call in case.failing_calls("next", "__next__"):
        if isinstance(call.func, cst.Attribute):
            source = case.text(call.func.value)
            loads = case.names.kind(call.func.value) == "DataLoader"
            text = f"next(iter({source}))" if loads else f"next({source})"
            yield sure(case.edit().replace(call, text), what=case.text(call))
        elif call.args and "not an iterator" in case.message:
            data = call.args[0].value
            edit = case.edit().replace(data, f"iter({case.text(data)})")
            yield sure(edit, what=case.text(call))


@rewrite("call-size", "dataset-method-missing", "self-shadowing", grades=SURE)
def call_size(case: Case) -> Iterator[Proposal]:
    """Calls what is a method and reads what is a value: x.size(0), x.shape."""
    for node in case.failing(cst.Subscript):
        if isinstance(node.value, cst.Attribute) and node.value.attr.value == "size":
            inner = ", ".join(case.text(part).strip(" ,") for part in node.slice)
            yield sure(
                case.edit().replace(node, f"{case.text(node.value)}({inner})"), what=case.text(node)
            )
    for call in case.failing_calls("shape", "dtype", "device", "T", "grad", "data", "ndim"):
        if isinstance(call.func, cst.Attribute):
            inner = ", ".join(case.text(arg.value) for arg in call.args)
            text = case.text(call.func) + (f"[{inner}]" if inner else "")
            yield sure(case.edit().replace(call, text), what=case.text(call))


@rewrite("as-many-as-there-are", "topk-out-of-range", grades=LIKELY)
def as_many_as_there_are(case: Case) -> Iterator[Proposal]:
    """Asks topk for no more elements than the dimension has."""
    for call in case.failing_calls("topk", "kthvalue"):
        method = case.is_method(call)
        data = case.operand(call)
        k = nth(call, 0 if method else 1, "k")
        dim = nth(call, 1 if method else 2, "dim")
        if data is not None and k is not None:
            size = f"{case.atom(data)}.size({case.text(dim) if dim is not None else -1})"
            edit = case.edit().replace(k, f"min({case.text(k)}, {size})")
            yield likely(edit, old=case.text(k))


@rewrite("clone-expanded", "overlapping-memory", grades=SURE)
def clone_expanded(case: Case) -> Iterator[Proposal]:
    """Copies an expanded tensor, whose rows share their memory, before it is written to."""
    for node in case.failing_expressions():
        for value in (node, case.names.value(node)):
            for call in find(value, cst.Call) if value is not None else ():
                if called(call) in {"expand", "expand_as", "broadcast_to", "unfold"}:
                    edit = case.edit().replace(call, f"{case.text(call)}.clone()")
                    yield sure(edit, what=case.text(call))
