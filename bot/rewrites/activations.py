"""Rewrites of the softmax or sigmoid between a model and its loss."""

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
    likely,
    rewrite,
    sure,
)
from bot.rewrites.editor import Editor
from bot.rewrites.layers import with_argument
from bot.rewrites.losses import each_target, is_loss
from bot.rewrites.source import called, dotted, expressions, find

_ACTIVATIONS: Final = {"softmax": "Softmax", "sigmoid": "Sigmoid", "log_softmax": "LogSoftmax"}


def _renamed(case: Case, edit: Editor, call: cst.Call, new: str) -> None:
    if isinstance(call.func, cst.Attribute):
        edit.swap(call.func.attr, cst.Name(new))
    elif isinstance(call.func, cst.Name):
        edit.swap(call.func, cst.Name(new))
        home = case.source.imported.get(call.func.value, "").rpartition(".")[0]
        edit.importing(f"from {home or 'torch.nn'} import {new}")


def _halves(case: Case) -> bool:
    """Whether the code compares something with 0.5 or rounds it, as one does with probabilities."""
    numbers = find(case.source.module, cst.Float)
    return any(n.evaluated_value == 0.5 for n in numbers) or any(
        called(call) == "round" for call in case.source.calls
    )


@rewrite("bce-with-logits", "bce-range", "bce-autocast", grades=(Grade.SURE, Grade.LIKELY))
def bce_with_logits(case: Case) -> Iterator[Proposal]:
    """Takes the loss that applies the sigmoid itself, and no sigmoid before it."""
    sites = list(activations(case, "sigmoid"))
    if case.slug == "bce-range" and sites:
        return
    edit, changed = case.edit(), False
    for call in case.source.calls:
        new = {
            "BCELoss": "BCEWithLogitsLoss",
            "binary_cross_entropy": "binary_cross_entropy_with_logits",
        }.get(called(call))
        if new is not None:
            _renamed(case, edit, call, new)
            changed = True
    for old, inner in sites:
        _without(edit, old, inner)
    if changed:
        yield (sure if case.slug == "bce-autocast" or not _halves(case) else likely)(edit)


@rewrite("add-sigmoid", "bce-range", grades=(Grade.SURE, Grade.LIKELY))
def add_sigmoid(case: Case) -> Iterator[Proposal]:
    """Turns the outputs into probabilities with a sigmoid before a loss over probabilities."""
    if list(activations(case, "sigmoid")):
        return
    for owner in case.names.classes.values():
        for function in find(owner, cst.FunctionDef):
            if function.name.value != "forward":
                continue
            last = [r.value for r in find(function, cst.Return) if r.value is not None][-1:]
            for value in last:
                edit = case.edit().replace(value, f"torch.sigmoid({case.text(value)})")
                grade = sure if _halves(case) else likely
                yield grade(edit.importing("import torch"), what=case.text(value))
    for _, output, _ in each_target(case):
        edit = case.edit().replace(output, f"torch.sigmoid({case.text(output)})")
        yield likely(edit.importing("import torch"), what=case.text(output))


def activations(
    case: Case, function: str
) -> Iterator[tuple[cst.Call | cst.Arg, cst.BaseExpression | None]]:
    """Where an activation is applied: the call with its operand, or its place in a Sequential."""
    layer = _ACTIVATIONS[function]
    for call in case.source.calls:
        if called(call) == function:
            operand = case.operand(call)
            if operand is not None and dotted(operand) != "self":
                yield call, operand
        elif called(call) == layer:
            above = case.source.parent(call)
            holder = case.source.parent(above) if isinstance(above, cst.Arg) else None
            if isinstance(above, cst.Arg) and isinstance(holder, cst.Call):
                if called(holder) == "Sequential":
                    yield above, None
            elif isinstance(above, cst.Call) and above.args:
                yield above, above.args[0].value
        elif call.args and case.names.kind(call.func) == layer:
            yield call, call.args[0].value


def _without(edit: Editor, old: cst.Call | cst.Arg, inner: cst.BaseExpression | None) -> None:
    if inner is None:
        edit.remove(old)
    else:
        edit.swap(old, inner)


def _feeds_loss(case: Case, old: cst.Call | cst.Arg) -> bool:
    """Whether an activation's result can reach a loss: returned, part of a model, or given."""
    if isinstance(old, cst.Arg):
        return True
    for above in case.source.ancestors(old):
        if isinstance(above, cst.Return):
            return True
        if isinstance(above, cst.Call) and is_loss(case, above):
            return True
        if isinstance(above, cst.Assign):
            name = dotted(above.targets[0].target)
            function = case.source.enclosing(above, cst.FunctionDef) or case.source.module
            uses = find(function, cst.Return) + [c for c in case.source.calls if is_loss(case, c)]
            return any(dotted(node) == name for use in uses for node in expressions(use))
    return False


@rewrite("drop-softmax", "silent-softmax-before-ce", grades=LIKELY)
def drop_softmax(case: Case) -> Iterator[Proposal]:
    """Takes the softmax before CrossEntropyLoss away: the loss applies it itself."""
    edit, changed = case.edit(), False
    for old, inner in activations(case, "softmax"):
        if _feeds_loss(case, old):
            _without(edit, old, inner)
            changed = True
    if changed:
        yield likely(edit)


@rewrite("drop-sigmoid", "silent-sigmoid-before-bce-logits", grades=LIKELY)
def drop_sigmoid(case: Case) -> Iterator[Proposal]:
    """Takes the sigmoid before BCEWithLogitsLoss away: the loss applies it itself."""
    edit, changed = case.edit(), False
    for old, inner in activations(case, "sigmoid"):
        if _feeds_loss(case, old):
            _without(edit, old, inner)
            changed = True
    if changed:
        yield likely(edit)


@rewrite("name-softmax-dim", "silent-softmax-dim", grades=LIKELY)
def name_softmax_dim(case: Case) -> Iterator[Proposal]:
    """Names the dimension of the classes, the last, for every softmax."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        bare = called(call) in {"softmax", "log_softmax", "softmin"} and len(call.args) == (
            0 if case.is_method(call) else 1
        )
        bare = bare and case.names.constructed(call.func) is None
        if bare or (called(call) in {"Softmax", "LogSoftmax"} and not call.args):
            edit.swap(call, with_argument(case, call, "dim", "-1"))
            changed = True
    if changed:
        yield likely(edit)


@rewrite("log-of-softmax", "silent-nan-loss", grades=SURE)
def log_of_softmax(case: Case) -> Iterator[Proposal]:
    """Computes log_softmax in one step, which never takes the logarithm of 0."""
    for call in case.source.calls:
        if called(call) != "log":
            continue
        inner = case.operand(call)
        value = case.names.value(inner) if inner is not None else None
        if isinstance(value, cst.Call) and called(value) == "softmax":
            new = value.func
            if isinstance(new, cst.Attribute):
                new = new.with_changes(attr=cst.Name("log_softmax"))
                yield sure(case.edit().swap(call, value.with_changes(func=new)))
