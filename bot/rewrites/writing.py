"""Rewrites of what is written into a tensor of another dtype."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import Case, Grade, Proposal, guess, likely, rewrite, sure
from bot.rewrites.layers import with_argument
from bot.rewrites.names import nth
from bot.rewrites.source import called, dotted

_DTYPES: Final = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "byte": "uint8",
    "char": "int8",
    "short": "int16",
}
_FLOAT: Final = "torch.float32"
INTEGERS: Final = frozenset({"int64", "int32", "int16", "int8", "uint8", "bool"})
_WRITING: Final = {
    **dict.fromkeys(("scatter", "scatter_add", "index_add", "index_copy"), (2, "src")),
    **dict.fromkeys(("masked_scatter", "index_put"), (1, "source")),
}
"""Where the operations that write into a tensor take what they write."""


def writings(case: Case) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """The tensors that the failing line writes into, each with what is written."""
    for call in case.failing(cst.Call):
        name = called(call).removesuffix("_")
        if name in _WRITING and case.is_method(call) and isinstance(call.func, cst.Attribute):
            source = nth(call, *_WRITING[name]) or nth(call, 9, "source")
            if source is not None:
                yield call.func.value, source
    for assign in case.failing(cst.Assign):
        target = assign.targets[0].target
        if isinstance(target, cst.Subscript):
            yield target.value, assign.value


def _kinds(case: Case, *nodes: cst.BaseExpression) -> list[str]:
    """The dtypes of tensors as the message or the scene tells, else "" for each."""
    if "for the destination" in case.message:
        told = [case.word("one").lower(), case.word("other").lower()]
        return [_DTYPES.get(word, word) for word in told]
    things = [case.thing(node) for node in nodes]
    return [(thing.dtype or "") if thing is not None else "" for thing in things]


@rewrite("match-destination", "dtype-mismatch", grades=(Grade.SURE, Grade.LIKELY, Grade.GUESS))
def match_destination(case: Case) -> Iterator[Proposal]:
    """Gives what is written into a tensor its dtype, or makes a tensor of floats for floats."""
    for target, source in writings(case):
        into, written = _kinds(case, target, source)
        if into in INTEGERS and written and written not in INTEGERS:
            made = case.names.value(target)
            if isinstance(made, cst.Call) and dotted(target) is not None:
                if nth(made, 99, "dtype") is not None:
                    edit = case.edit().swap(made, with_argument(case, made, "dtype", _FLOAT))
                    edit.importing("import torch")
                else:
                    edit = case.edit().replace(made, f"{case.text(made)}.float()")
                yield likely(edit, what=case.text(target), other=case.text(source))
            continue
        edit = case.edit().replace(source, f"{case.atom(source)}.to({case.text(target)}.dtype)")
        grade = guess if not (into and written) else sure if written in INTEGERS else likely
        yield grade(edit, what=case.text(source), other=case.text(target))
