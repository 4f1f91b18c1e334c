"""Rewrites of programs that run but do not learn as meant, or measure wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Proposal, likely, rewrite, sure
from bot.rewrites.layers import constructors
from bot.rewrites.names import nth
from bot.rewrites.source import Statement, called, dotted, find

_RANDOM: Final = frozenset({"Dropout", "Dropout1d", "Dropout2d", "BatchNorm1d", "BatchNorm2d"})


@rewrite(
    "sum-of-numbers", "silent-memory-leak", "cuda-out-of-memory", "cpu-out-of-memory", grades=SURE
)
def sum_of_numbers(case: Case) -> Iterator[Proposal]:
    """Adds up and keeps plain numbers, .item(), which hold no graph."""
    edit, changed = case.edit(), False
    losses = _losses(case)
    for statement in find(case.source.module, cst.AugAssign):
        if isinstance(statement.operator, cst.AddAssign) and dotted(statement.value) in losses:
            if not _trained(case, dotted(statement.target)):
                edit.replace(statement.value, f"{case.atom(statement.value)}.item()")
                changed = True
        elif isinstance(statement.value, cst.BinaryOperation):
            for node in find(statement.value, cst.Name):
                if node.value in losses and not isinstance(case.source.parent(node), cst.Attribute):
                    edit.replace(node, f"{node.value}.item()")
                    changed = True
    for call in case.source.calls:
        if called(call) == "append" and call.args and dotted(call.args[0].value) in losses:
            value = call.args[0].value
            edit.replace(value, f"{case.atom(value)}.item()")
            changed = True
    if changed:
        yield sure(edit)


def _losses(case: Case) -> set[str]:
    """The names on which backward is called, or that say that they are losses."""
    names = {
        dotted(call.func.value)
        for call in case.source.calls
        if called(call) == "backward" and isinstance(call.func, cst.Attribute)
    }
    names |= {"loss"} if "loss" in case.names.bindings else set()
    return {name for name in names if name}


def _trained(case: Case, name: str | None) -> bool:
    return any(
        called(call) == "backward"
        and isinstance(call.func, cst.Attribute)
        and dotted(call.func.value) == name
        for call in case.source.calls
    )


@rewrite("evaluate-quietly", "silent-eval-mode", "silent-memory-leak", grades=LIKELY)
def evaluate_quietly(case: Case) -> Iterator[Proposal]:
    """Puts the model into evaluation mode, without gradients, before it is measured."""
    trained = [s for s in case.source.statements if _is_step(s)]
    last = max((case.source.line(s) for s in trained), default=0)
    for block in find(case.source.module, cst.With):
        if any(called(item.item) in {"no_grad", "inference_mode"} for item in block.items):
            for model in _models(case, block):
                if f"{model}.eval()" not in case.source.code:
                    yield likely(case.edit().before(block, f"{model}.eval()"), what=model)
    for call in case.source.calls:
        name = dotted(call.func)
        made = case.names.constructed(call.func)
        if name is None or made is None or name.startswith("self.") or not call.args:
            continue
        if called(made) not in case.names.classes and called(made) != "Sequential":
            continue
        statement = case.source.statement_of(call)
        if case.source.line(statement) <= last or f"{name}.eval()" in case.source.code:
            continue
        if any(isinstance(a, cst.With) for a in case.source.ancestors(statement)):
            continue
        edit = case.edit().before(statement, f"{name}.eval()")
        yield likely(edit, what=name)


def _is_step(statement: Statement) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and any(
        called(call) in {"step", "backward"} for call in find(statement, cst.Call)
    )


def _models(case: Case, block: cst.With) -> list[str]:
    """The models that are called inside a block."""
    found = []
    for call in find(block, cst.Call):
        made = case.names.constructed(call.func)
        name = dotted(call.func)
        if name and made is not None and not name.startswith("self."):
            if called(made) in case.names.classes or called(made) in {"Sequential", "Linear"}:
                found.append(name)
        elif name in {"model", "net"} and made is None:
            found.append(name)
    return list(dict.fromkeys(found))


@rewrite("seed-randomness", "silent-seed", grades=LIKELY)
def seed_randomness(case: Case) -> Iterator[Proposal]:
    """Seeds the random numbers before the first is drawn."""
    if "manual_seed" in case.source.code:
        return
    for statement in case.source.module.body:
        imports = isinstance(statement, cst.SimpleStatementLine) and all(
            isinstance(small, cst.Import | cst.ImportFrom) for small in statement.body
        )
        if not imports and isinstance(
            statement, cst.SimpleStatementLine | cst.BaseCompoundStatement
        ):
            edit = case.edit().importing("import torch")
            if isinstance(statement, cst.FunctionDef):
                inner = statement.body.body[0]
                if isinstance(inner, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                    yield likely(edit.before(inner, "torch.manual_seed(0)"))
            else:
                yield likely(edit.before(statement, "torch.manual_seed(0)"))
            return


@rewrite("permute-for-reshape", "silent-reshape-as-permute", grades=LIKELY)
def permute_for_reshape(case: Case) -> Iterator[Proposal]:
    """Moves the channels with permute, which keeps the pixels together, not with reshape."""
    for call in case.source.calls:
        if called(call) not in {"reshape", "view"} or not case.is_method(call):
            continue
        data = case.operand(call)
        sizes = [case.names.number(arg.value) for arg in call.args]
        bound = case.names.value(data) if data is not None else None
        made = (
            [case.names.number(arg.value) for arg in bound.args]
            if isinstance(bound, cst.Call)
            else []
        )
        if data is None or None in sizes:
            continue
        if len(sizes) == 3 and sizes[0] in {1, 3, 4} and (not made or made[-1:] == sizes[:1]):
            yield likely(
                case.edit().replace(call, f"{case.atom(data)}.permute(2, 0, 1)"), order="2, 0, 1"
            )
        elif len(sizes) == 4 and sizes[1] in {1, 3, 4}:
            edit = case.edit().replace(call, f"{case.atom(data)}.permute(0, 3, 1, 2)")
            yield likely(edit, order="0, 3, 1, 2")


@rewrite("compile-without-triton", "triton-missing", grades=SURE)
def compile_without_triton(case: Case) -> Iterator[Proposal]:
    """Traces with torch.compile but builds no new code, which needs no compiler."""
    for call in case.source.calls:
        if called(call) == "compile" and dotted(call.func) == "torch.compile":
            args = [
                arg for arg in call.args if arg.keyword is None or arg.keyword.value != "backend"
            ]
            texts = [case.text(arg).rstrip(", ") for arg in args]
            listed = ", ".join([*texts, 'backend="eager"'])
            text = f"torch.compile({listed})"
            yield sure(case.edit().replace(call, text))
    for decorator in find(case.source.module, cst.Decorator):
        if dotted(decorator.decorator) == "torch.compile":
            yield sure(case.edit().replace(decorator.decorator, 'torch.compile(backend="eager")'))


@rewrite("allow-graph-breaks", "dynamo-unsupported", grades=LIKELY)
def allow_graph_breaks(case: Case) -> Iterator[Proposal]:
    """Lets torch.compile leave to Python what it cannot trace."""
    for call in case.source.calls:
        flag = nth(call, 99, "fullgraph")
        if flag is not None and case.text(flag) == "True":
            yield likely(case.edit().replace(flag, "False"))


@rewrite("eval-for-prediction", "silent-eval-mode", grades=SURE)
def eval_for_prediction(case: Case) -> Iterator[Proposal]:
    """Leaves training mode where a program only predicts with a model that has dropout."""
    if any(_is_step(s) for s in case.source.statements) or ".eval()" in case.source.code:
        return
    if not constructors(case, *_RANDOM):
        return
    for name, bindings in case.names.bindings.items():
        for bound in bindings:
            made = case.names.constructed(bound.value)
            if made is None or name.startswith("self.") or bound.item is not None or bound.loop:
                continue
            if called(made) in case.names.classes or called(made) == "Sequential":
                yield sure(case.edit().after(bound.statement, f"{name}.eval()"), what=name)
