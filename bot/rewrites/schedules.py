"""Rewrites of the options of optimizers and of learning rate schedulers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.layers import argument, with_argument, without_argument
from bot.rewrites.names import nth
from bot.rewrites.optimizers import optimizers
from bot.rewrites.source import called, dotted

_OPTIONS: Final = (
    *("lr", "weight_decay", "momentum", "betas", "eps", "nesterov", "amsgrad", "alpha"),
    *("dampening", "maximize", "rho", "centered"),
)


@rewrite(
    "fit-optimizer-option", "optimizer-arguments", "forward-args", grades=(Grade.SURE, Grade.LIKELY)
)
def fit_optimizer_option(case: Case) -> Iterator[Proposal]:
    """Gives an optimizer only options that it has, under their names and as numbers."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", case.message)
    for call in optimizers(case):
        if unknown is not None and (value := argument(call, unknown[1])) is not None:
            known = "lr" if unknown[1] in {"learning_rate", "lr_rate", "rate", "LR"} else ""
            known = known or next(iter(get_close_matches(unknown[1], _OPTIONS, 1)), "")
            new = without_argument(call, unknown[1])
            if known and argument(call, known) is None:
                new = with_argument(case, new, known, case.text(value))
                yield sure(case.edit().swap(call, new), name=unknown[1])
            else:
                yield likely(case.edit().swap(call, new), name=unknown[1])
        for name in ("lr", "weight_decay", "momentum", "eps"):
            value = argument(call, name) or (nth(call, 1, "lr") if name == "lr" else None)
            made = case.names.value(value) if value is not None else None
            if value is not None and isinstance(made, cst.SimpleString) and "str" in case.message:
                edit = case.edit().replace(value, f"float({case.text(value)})")
                yield sure(edit, name=name)
        if "Nesterov" in case.message and argument(call, "nesterov") is not None:
            new = with_argument(case, call, "momentum", "0.9")
            yield likely(case.edit().swap(call, new), name="momentum")


@rewrite("step-with-metric", "plateau-metrics", "lbfgs-closure", grades=LIKELY)
def step_with_metric(case: Case) -> Iterator[Proposal]:
    """Tells ReduceLROnPlateau the loss that it watches."""
    for call in case.failing_calls("step"):
        if call.args or not isinstance(call.func, cst.Attribute):
            continue
        if "metrics" not in case.message:
            continue
        line = case.source.line(call)
        names = [
            name
            for name, bindings in case.names.bindings.items()
            if "loss" in name.lower()
            and any(case.source.line(b.statement) <= line for b in bindings)
            and not any(
                isinstance(b.value, cst.Call) and called(b.value)[:1].isupper() for b in bindings
            )
            and not name.endswith(("_fn", "losses"))
        ]
        for name in sorted(names, key=lambda one: ("val" not in one.lower(), one))[:2]:
            text = f"{case.text(call.func)}({name})"
            yield likely(case.edit().replace(call, text), what=name)


@rewrite("count-whole-batches", "scheduler-total-steps", grades=LIKELY)
def count_whole_batches(case: Case) -> Iterator[Proposal]:
    """Counts the last, smaller batch as a step of the schedule too."""
    total = case.number("total")
    for call in case.source.calls:
        if called(call) != "OneCycleLR":
            continue
        steps = argument(call, "steps_per_epoch") or argument(call, "total_steps")
        value = case.names.value(steps) if steps is not None else None
        for node in [v for v in (value,) if isinstance(v, cst.BinaryOperation)]:
            if isinstance(node.operator, cst.FloorDivide):
                text = f"-(-{case.atom(node.left)} // {case.atom(node.right)})"
                yield likely(case.edit().replace(node, text), what=case.text(node))
        loaders = [
            name
            for name in case.names.bindings
            if case.names.bindings[name]
            and called(case.names.bindings[name][-1].value) == "DataLoader"
        ]
        if argument(call, "steps_per_epoch") is not None and steps is not None:
            for name in loaders[:1]:
                edit = case.edit().replace(steps, f"len({name})")
                yield likely(edit, what=case.text(steps))
        if steps is not None and total is not None and case.names.number(steps) == total:
            step = case.number("step")
            if step is not None and argument(call, "total_steps") is steps:
                # The message tells the first step too many, not how many follow: twice is enough
                # for one more epoch.
                edit = case.edit().replace(steps, str(total * 2))
                yield likely(edit, what=case.text(steps))


@rewrite("dense-embedding", "sparse-gradients", grades=LIKELY)
def dense_embedding(case: Case) -> Iterator[Proposal]:
    """Gives an embedding dense gradients, which every optimizer takes."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        if called(call) in {"Embedding", "EmbeddingBag"} and argument(call, "sparse") is not None:
            edit.swap(call, without_argument(call, "sparse"))
            changed = True
    if changed:
        yield likely(edit)


@rewrite("rename-submodule", "module-name-invalid", grades=SURE)
def rename_submodule(case: Case) -> Iterator[Proposal]:
    """Names a submodule without a dot, which separates levels in torch's own names."""
    for call in case.failing_calls(
        "add_module", "register_module", "register_buffer", "register_parameter"
    ):
        name = nth(call, 0, "name")
        if isinstance(name, cst.SimpleString) and isinstance(name.evaluated_value, str):
            yield sure(case.edit().replace(name, f'"{name.evaluated_value.replace(".", "_")}"'))
        elif isinstance(name, cst.FormattedString):
            parts = [
                part.with_changes(value=part.value.replace(".", "_"))
                if isinstance(part, cst.FormattedStringText)
                else part
                for part in name.parts
            ]
            yield sure(case.edit().swap(name, name.with_changes(parts=parts)))
    for call in case.source.calls:
        if (
            called(call) != "ModuleDict"
            or not call.args
            or not isinstance(call.args[0].value, cst.Dict)
        ):
            continue
        edit, changed = case.edit(), False
        for element in call.args[0].value.elements:
            key = element.key if isinstance(element, cst.DictElement) else None
            if isinstance(key, cst.SimpleString) and "." in str(key.evaluated_value):
                edit.replace(key, f'"{str(key.evaluated_value).replace(".", "_")}"')
                changed = True
        if changed:
            yield sure(edit)


@rewrite("force-start-method", "start-method-set", grades=SURE)
def force_start_method(case: Case) -> Iterator[Proposal]:
    """Sets the start method anew, with force=True, where it was set before."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        if called(call) == "set_start_method" and argument(call, "force") is None:
            edit.swap(call, with_argument(case, call, "force", "True"))
            changed = True
    if changed:
        yield sure(edit)


@rewrite("no-reentrant-checkpoint", "activation-checkpoint", grades=LIKELY)
def no_reentrant_checkpoint(case: Case) -> Iterator[Proposal]:
    """Checkpoints activations in the way that torch recommends, use_reentrant=False."""
    edit, changed = case.edit(), False
    for call in case.source.calls:
        if (dotted(call.func) or "").endswith(("checkpoint", "checkpoint_sequential")):
            flag = argument(call, "use_reentrant")
            if flag is None or case.text(flag) == "True":
                edit.swap(call, with_argument(case, call, "use_reentrant", "False"))
                changed = True
    if changed:
        yield likely(edit)
