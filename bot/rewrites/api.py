"""Rewrites of names that torch has moved, renamed or dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import Case, Grade, Proposal, rewrite, sure
from bot.rewrites.source import called, dotted

_SIMPLE: Final = re.compile(r"[A-Za-z_][\w.]*")
_FUNCTIONS: Final = {"sigmoid": "torch.sigmoid", "tanh": "torch.tanh"}


@rewrite("use-new-name", "deprecated-api", grades=(Grade.SURE, Grade.LIKELY))
def use_new_name(case: Case) -> Iterator[Proposal]:
    """Calls a function by the name that the warning recommends."""
    old, new = case.word("old").split("(")[0], case.word("new").split("(")[0]
    edit, changed = case.edit(), False
    for call in case.source.calls:
        name = dotted(call.func)
        if name is None:
            continue
        if name.endswith("cuda.amp.GradScaler") or name == "GradScaler":
            args = ", ".join(['"cuda"', *(case.text(a).rstrip(", ") for a in call.args)])
            edit.replace(call, f"torch.amp.GradScaler({args})")
        elif name.endswith("cuda.amp.autocast"):
            args = ", ".join(['"cuda"', *(case.text(a).rstrip(", ") for a in call.args)])
            edit.replace(call, f"torch.amp.autocast({args})")
        elif called(call) in _FUNCTIONS and case.source.imported.get(name.partition(".")[0]) == (
            "torch.nn.functional"
        ):
            edit.replace(call.func, _FUNCTIONS[called(call)])
        elif called(call) == "get_lr" and "get_last_lr" in case.message + new:
            edit.replace(call.func, case.text(call.func).replace("get_lr", "get_last_lr"))
        elif (
            old
            and _SIMPLE.fullmatch(old)
            and _SIMPLE.fullmatch(new or "")
            and called(call) == old.rpartition(".")[2]
            and isinstance(call.func, cst.Attribute)
        ):
            edit.swap(call.func.attr, cst.Name(new.rpartition(".")[2]))
        else:
            continue
        changed = True
    if changed:
        yield sure(edit.importing("import torch"), old=old, new=new)
