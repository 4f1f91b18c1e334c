"""Rewrites of optimizers, schedulers and the training step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.editor import names_in
from bot.rewrites.layers import argument, without_argument
from bot.rewrites.names import nth
from bot.rewrites.source import Statement, called, dotted, find

_OPTIMIZERS: Final = frozenset(
    {"SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "LBFGS", "Adamax"}
)
_SCHEDULERS: Final = frozenset(
    {
        *("StepLR", "MultiStepLR", "ExponentialLR", "CosineAnnealingLR", "ReduceLROnPlateau"),
        *("LambdaLR", "OneCycleLR", "LinearLR", "ConstantLR", "CyclicLR"),
        *("CosineAnnealingWarmRestarts", "PolynomialLR", "SequentialLR"),
    }
)


def optimizers(case: Case) -> list[cst.Call]:
    """The calls that build optimizers."""
    return [call for call in case.source.calls if called(call) in _OPTIMIZERS and call.args]


@rewrite("pass-parameters", "optimizer-param-type", "optimizer-empty-params", grades=SURE)
def pass_parameters(case: Case) -> Iterator[Proposal]:
    """Gives the optimizer the parameters of the model, in one flat list."""
    for call in optimizers(case):
        params = nth(call, 0, "params")
        if params is None:
            continue
        value = case.names.value(params) if dotted(params) else params
        text = case.text(params)
        if isinstance(params, cst.Attribute) and params.attr.value in {
            "parameters",
            "named_parameters",
        }:
            yield sure(case.edit().replace(params, f"{text}()"), what=text, new=f"{text}()")
        elif dotted(params) is not None and not isinstance(value, cst.List | cst.Tuple):
            made = case.names.kind(params)
            alone = made in {"tensor", "randn", "zeros", "ones", "rand", "Parameter"}
            new = f"[{text}]" if alone else f"{text}.parameters()"
            yield sure(case.edit().replace(params, new), what=text, new=new)
        if isinstance(params, cst.Call) and called(params) == "state_dict":
            new = f"{case.text(params.func.value)}.parameters()"  # type: ignore[attr-defined]
            yield sure(case.edit().replace(params, new), what=text, new=new)
        if isinstance(params, cst.Call) and called(params) == "named_parameters":
            new = text.replace("named_parameters", "parameters")
            yield sure(case.edit().replace(params, new), what=text, new=new)
        if isinstance(value, cst.List | cst.Tuple):
            yield from _flat_list(case, value)
        if isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Add):
            sides = [value.left, value.right]
            if all(isinstance(side, cst.Call) for side in sides):
                new = "[" + ", ".join(f"*{case.text(side)}" for side in sides) + "]"
                yield sure(case.edit().replace(value, new), what=case.text(value), new=new)


def _flat_list(case: Case, value: cst.List | cst.Tuple) -> Iterator[Proposal]:
    parts = []
    for element in value.elements:
        text = case.text(element.value)
        made = case.names.constructed(element.value)
        if isinstance(element.value, cst.Call) and called(element.value) == "parameters":
            parts.append(f"*{text}")
        elif made is not None and (
            called(made) in case.names.classes or called(made)[:1].isupper()
        ):
            if called(made) == "Parameter":
                parts.append(text)
            else:
                parts.append(f"*{text}.parameters()")
        else:
            parts.append(f"*{text}" if isinstance(element, cst.StarredElement) else text)
    new = f"[{', '.join(parts)}]"
    if new != case.text(value):
        yield sure(case.edit().replace(value, new), what=case.text(value), new=new)


def _line(case: Case, call: cst.Call) -> cst.SimpleStatementLine | None:
    """The statement of a call that stands alone on a line."""
    statement = case.source.statement_of(call)
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        small = statement.body[0]
        if isinstance(small, cst.Expr) and small.value is call:
            return statement
    return None


def _steps(
    case: Case, kinds: frozenset[str], words: tuple[str, ...]
) -> list[cst.SimpleStatementLine]:
    """The lines `optimizer.step()` or `scheduler.step()`."""
    found = []
    for call in case.source.calls:
        if called(call) == "step" and isinstance(call.func, cst.Attribute):
            name = (dotted(call.func.value) or "").lower()
            known = case.names.kind(call.func.value)
            line = _line(case, call)
            if line is not None and (
                known in kinds or (not known and any(w in name for w in words))
            ):
                found.append(line)
    return found


def optimizer_steps(case: Case) -> list[cst.SimpleStatementLine]:
    """The lines that let an optimizer step."""
    lines = _steps(case, _OPTIMIZERS, ("optim", "opt"))
    scaled = [
        line
        for call in case.source.calls
        if called(call) == "step" and call.args and "scaler" in case.text(call.func)
        if (line := _line(case, call)) is not None
    ]
    return lines + scaled


@rewrite("scheduler-after-optimizer", "scheduler-before-optimizer", grades=SURE)
def scheduler_after_optimizer(case: Case) -> Iterator[Proposal]:
    """Lets the scheduler step after the optimizer."""
    for line in _steps(case, _SCHEDULERS, ("sched",)):
        steps = optimizer_steps(case)
        block = list(case.source.block_of(line))
        behind = [s for s in steps if case.source.line(s) > case.source.line(line)]
        if not behind:
            continue
        # The end of the scheduler's own block: once per epoch stays once per epoch.
        last = block[-1]
        if (
            isinstance(last, cst.SimpleStatementLine | cst.BaseCompoundStatement)
            and last is not line
        ):
            edit = case.edit().remove(line).after(last, case.text(line).strip())
            yield sure(edit, what=case.text(line).strip())


@rewrite("scheduler-per-epoch", "silent-scheduler-per-batch", grades=LIKELY)
def scheduler_per_epoch(case: Case) -> Iterator[Proposal]:
    """Lets the scheduler step once an epoch, behind the loop over the batches."""
    for line in _steps(case, _SCHEDULERS, ("sched",)):
        inner = case.source.enclosing(line, cst.For)
        outer = case.source.enclosing(inner, cst.For) if inner is not None else None
        if inner is not None and outer is not None:
            edit = case.edit().remove(line).after(inner, case.text(line).strip())
            yield likely(edit, what=case.text(line).strip())


@rewrite(
    "zero-gradients",
    "silent-zero-grad-missing",
    "silent-loss-not-decreasing",
    grades=(Grade.SURE, Grade.LIKELY),
)
def zero_gradients(case: Case) -> Iterator[Proposal]:
    """Clears the gradients before each backward."""
    if any(called(call) == "zero_grad" for call in case.source.calls):
        return
    for step in optimizer_steps(case):
        name = _optimizer_of(case, step)
        block = list(case.source.block_of(step))
        at = block.index(step)
        backward = [
            s for s in block[:at] if any(called(c) == "backward" for c in find(s, cst.Call))
        ]
        if backward and isinstance(
            backward[0], cst.SimpleStatementLine | cst.BaseCompoundStatement
        ):
            edit = case.edit().before(backward[0], f"{name}.zero_grad()")
        else:
            edit = case.edit().after(step, f"{name}.zero_grad()")
        grade = sure if case.slug == "silent-zero-grad-missing" else likely
        yield grade(edit, what=name)


def _optimizer_of(case: Case, step: Statement) -> str:
    call = find(step, cst.Call)[0]
    if call.args and "scaler" in case.text(call.func):
        return case.text(call.args[0].value)
    return case.text(call.func).removesuffix(".step")


@rewrite("no-decay-for-norms", "silent-weight-decay-norm", grades=LIKELY)
def no_decay_for_norms(case: Case) -> Iterator[Proposal]:
    """Leaves biases and normalisation layers out of the weight decay, in a group of their own."""
    for call in optimizers(case):
        decay = argument(call, "weight_decay") or nth(call, 99, "weight_decay")
        params = nth(call, 0, "params")
        statement = case.source.statement_of(call)
        if decay is None or not isinstance(params, cst.Call) or called(params) != "parameters":
            continue
        text = case.text(params)
        lines = (
            f"decayed = [p for p in {text} if p.ndim > 1]\n"
            f"not_decayed = [p for p in {text} if p.ndim <= 1]\n"
        )
        groups = (
            f'[{{"params": decayed, "weight_decay": {case.text(decay)}}}, '
            '{"params": not_decayed, "weight_decay": 0.0}]'
        )
        kept = without_argument(call, "weight_decay")
        first = kept.args[0].with_changes(value=cst.parse_expression(groups))
        edit = case.edit().before(statement, lines)
        yield likely(edit.swap(call, kept.with_changes(args=[first, *kept.args[1:]])))


@rewrite("step-with-closure", "lbfgs-closure", grades=LIKELY)
def step_with_closure(case: Case) -> Iterator[Proposal]:
    """Puts the loss and its backward into a closure that LBFGS can call again."""
    step = case.statement
    if not isinstance(step, cst.SimpleStatementLine):
        return
    calls = [c for c in find(step, cst.Call) if called(c) == "step" and not c.args]
    block = list(case.source.block_of(step))
    if not calls or step not in block:
        return
    at = block.index(step)
    name = case.text(calls[0].func).removesuffix(".step")
    backward = [
        i
        for i, s in enumerate(block[:at])
        if any(called(c) == "backward" for c in find(s, cst.Call))
    ]
    if not backward:
        return
    end = backward[-1]
    loss = next(c for c in find(block[end], cst.Call) if called(c) == "backward")
    loss_name = case.text(loss.func).removesuffix(".backward")
    start, needed = end, names_in(block[end])
    for i in range(end - 1, -1, -1):
        targets = {dotted(t.target) for a in find(block[i], cst.Assign) for t in a.targets}
        zeroes = any(called(c) == "zero_grad" for c in find(block[i], cst.Call))
        computes = bool(targets & needed) and _runs(case, block[i])
        if not (zeroes or computes):
            break
        start, needed = i, needed | names_in(block[i])
    lines = [case.text(s).strip("\n") for s in block[start : end + 1]]
    if not any("zero_grad" in line for line in lines):
        lines.insert(0, f"{name}.zero_grad()")
    if not loss_name.replace("_", "").isalnum():
        return
    body = "\n".join(f"    {part}" for line in lines for part in line.split("\n"))
    text = f"def closure():\n{body}\n    return {loss_name}\n"
    edit = case.edit()
    for statement in block[start : end + 1]:
        edit.remove(statement)
    edit.before(step, text)
    later = [n for n in find(case.source.module, cst.Name) if n.value == loss_name]
    if any(case.source.line(n) > case.source.line(step) for n in later) and _line(case, calls[0]):
        edit.instead(step, f"{loss_name} = {name}.step(closure)")
    else:
        edit.replace(calls[0], f"{name}.step(closure)")
    yield likely(edit, name=name)


def _runs(case: Case, statement: cst.CSTNode) -> bool:
    """Whether a line computes something new in every step rather than making a model or data."""
    assigns = find(statement, cst.Assign)
    value = assigns[0].value if assigns else None
    if isinstance(value, cst.Call):
        return not called(value)[:1].isupper() and called(value) not in {
            "randn",
            "tensor",
            "zeros",
            "rand",
            "ones",
        }
    return isinstance(value, cst.BinaryOperation)


@rewrite("update-scaler", "amp-grad-scaler", grades=SURE)
def update_scaler(case: Case) -> Iterator[Proposal]:
    """Updates the GradScaler after each step."""
    for call in case.source.calls:
        name = case.text(call.func).removesuffix(".step")
        if called(call) != "step" or not call.args or "scaler" not in name.lower():
            continue
        line = _line(case, call)
        if line is None or f"{name}.update()" in case.source.code:
            continue
        yield sure(case.edit().after(line, f"{name}.update()"), what=name)


@rewrite("unscale-before-clip", "silent-amp-clip", grades=SURE)
def unscale_before_clip(case: Case) -> Iterator[Proposal]:
    """Unscales the gradients before they are clipped."""
    scaled = [
        call
        for call in case.source.calls
        if called(call) == "step" and call.args and "scaler" in case.text(call.func).lower()
    ]
    for call in case.source.calls:
        if called(call) in {"clip_grad_norm_", "clip_grad_value_"} and scaled:
            scaler = case.text(scaled[0].func).removesuffix(".step")
            text = f"{scaler}.unscale_({case.text(scaled[0].args[0].value)})"
            if text not in case.source.code:
                yield sure(case.edit().before(case.source.statement_of(call), text))
