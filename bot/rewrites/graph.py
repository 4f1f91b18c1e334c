"""Rewrites of graphs that live too long: backward twice, kept hidden states, deep copies."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from bot.rewrites.case import LIKELY, SURE, Case, Grade, Proposal, likely, rewrite, sure
from bot.rewrites.editor import names_in
from bot.rewrites.source import Statement, called, dotted, find


def _loop_around(case: Case) -> cst.For | cst.While | None:
    for above in case.source.ancestors(case.statement) if case.statement is not None else ():
        if isinstance(above, cst.For | cst.While):
            return above
        if isinstance(above, cst.FunctionDef):
            return None
    return None


@rewrite("detach-state", "backward-twice", "inplace-modified", grades=SURE)
def detach_state(case: Case) -> Iterator[Proposal]:
    """Detaches the state that one step hands to the next, so that each step has its own graph."""
    loop = _loop_around(case)
    if loop is None or not isinstance(loop.body, cst.IndentedBlock):
        return
    first: Statement | None = next(
        (
            s
            for s in loop.body.body
            if isinstance(s, cst.SimpleStatementLine | cst.BaseCompoundStatement)
        ),
        None,
    )
    for name in _carried(case, loop):
        if first is None:
            continue
        pairs = _is_pair(case, name)
        text = f"{name} = {name}.detach()"
        if pairs:
            text = f"{name} = tuple(part.detach() for part in {name})"
        if _starts_as_none(case, name):
            text = f"if {name} is not None:\n    {text}"
        yield sure(case.edit().before(first, text), what=name)


def _carried(case: Case, loop: cst.For | cst.While) -> list[str]:
    """The names that a step reads from the step before: read first, bound later in the loop."""
    bound: dict[str, Statement] = {}
    for name, bindings in case.names.bindings.items():
        inside = [b for b in bindings if loop in list(case.source.ancestors(b.statement))]
        outside = [b for b in bindings if loop not in list(case.source.ancestors(b.statement))]
        if inside and outside and not inside[-1].loop:
            bound[name] = inside[-1].statement
    found = []
    for name, statement in bound.items():
        own = [b for b in case.names.bindings[name] if b.statement is statement]
        mentions = {name} <= set().union(*(names_in(b.value) for b in own))
        calls = any(isinstance(b.value, cst.Call) for b in own)
        if mentions and calls and not _is_counter(case, own[0].value):
            found.append(name)
    return found


def _is_counter(case: Case, value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.BinaryOperation) and (
        case.names.number(value.right) is not None or case.names.number(value.left) is not None
    )


def _is_pair(case: Case, name: str) -> bool:
    """Whether a state is the (h, c) of an LSTM."""
    for bound in case.names.bindings.get(name, ()):
        if isinstance(bound.value, cst.Tuple) and len(bound.value.elements) == 2:
            return True
        for call in find(bound.value, cst.Call):
            if case.names.kind(call.func) in {"LSTM", "LSTMCell"}:
                return bound.item == 1 or case.names.kind(call.func) == "LSTMCell"
            owner = case.names.class_of(call.func)
            if owner is not None and bound.item == 1:
                return any(called(c) == "LSTM" for c in find(owner, cst.Call))
    return False


def _starts_as_none(case: Case, name: str) -> bool:
    return any(case.text(b.value) == "None" for b in case.names.bindings.get(name, ()))


@rewrite("compute-in-loop", "backward-twice", grades=SURE)
def compute_in_loop(case: Case) -> Iterator[Proposal]:
    """Moves what depends on the parameters into the loop, so that each step makes a new graph."""
    loop = _loop_around(case)
    if loop is None or not isinstance(loop.body, cst.IndentedBlock):
        return
    block = [s for s in case.source.block_of(loop) if isinstance(s, cst.SimpleStatementLine)]
    before = [s for s in block if case.source.line(s) < case.source.line(loop)]
    needed = names_in(loop)
    moved: list[Statement] = []
    for statement in reversed(before):
        small = statement.body[0]
        if not isinstance(small, cst.Assign) or not isinstance(
            small.value, cst.Call | cst.BinaryOperation
        ):
            continue
        target = dotted(small.targets[0].target)
        if target in needed and _computes(case, small.value):
            moved.insert(0, statement)
            needed |= names_in(small.value)
    if moved and isinstance(loop.body.body[0], cst.BaseStatement):
        edit = case.edit()
        staying: list[Statement] = []
        staying.extend(s for s in before if s not in moved)
        for one in reversed(moved):
            name = dotted(_target(one))
            if any(name in names_in(other) for other in staying):
                staying.append(one)
            else:
                edit.remove(one)
        first = loop.body.body[0]
        if isinstance(first, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            edit.before(first, "\n".join(case.text(s).strip() for s in moved))
            yield sure(edit, what=dotted(_target(moved[0])) or "")


def _target(statement: Statement) -> cst.BaseExpression:
    return find(statement, cst.Assign)[0].targets[0].target


def _computes(case: Case, value: cst.BaseExpression, depth: int = 5) -> bool:
    """Whether an expression computes with a model or a parameter, not just makes one."""
    if depth == 0:
        return False
    for call in find(value, cst.Call):
        made = case.names.constructed(call.func)
        if made is not None and (called(made)[:1].isupper()) and not called(made).endswith("Loss"):
            return True
        if made is not None and called(made).endswith("Loss"):
            return True
        if called(call) in {"Linear", "Adam", "SGD"} or "optim" in case.text(call.func):
            return False
    for name in find(value, cst.Name):
        bound = case.names.resolve(name)
        if bound is None or bound.loop or bound.value is value:
            continue
        if "requires_grad" in case.text(bound.value) or _computes(case, bound.value, depth - 1):
            return True
    return False


@rewrite("detach-for-generator", "backward-twice", grades=LIKELY)
def detach_for_discriminator(case: Case) -> Iterator[Proposal]:
    """Detaches what one network made before another is trained on it alone."""
    if case.statement is None:
        return
    backward = [
        s
        for s in case.source.statements
        if isinstance(s, cst.SimpleStatementLine)
        and _backward(s) is not None
        and case.source.line(s) < case.source.line(case.statement)
    ]
    own = _backward(case.statement) if isinstance(case.statement, cst.SimpleStatementLine) else None
    behind = case.names.value(own) if own is not None else None
    judges = {case.text(call.func) for call in find(behind, cst.Call)} if behind else set()
    for statement in backward[-1:]:
        loss = _backward(statement)
        value = case.names.value(loss) if loss is not None else None
        for call in find(value, cst.Call) if value is not None else ():
            made = case.names.constructed(call.func)
            if made is None or called(made).endswith("Loss") or case.text(call.func) not in judges:
                continue
            for arg in call.args:
                origin = case.names.value(arg.value) if dotted(arg.value) else None
                if isinstance(origin, cst.Call) and case.names.constructed(origin.func) is not None:
                    edit = case.edit().replace(arg.value, f"{case.atom(arg.value)}.detach()")
                    yield likely(edit, what=case.text(arg.value))


@rewrite("sum-losses", "backward-twice", grades=LIKELY)
def sum_losses(case: Case) -> Iterator[Proposal]:
    """Adds losses that share a graph and runs backward once over the sum."""
    if case.statement is None:
        return
    block = list(case.source.block_of(case.statement))
    lines = [
        s for s in block if isinstance(s, cst.SimpleStatementLine) and _backward(s) is not None
    ]
    if len(lines) < 2 or case.statement not in lines:
        return
    last = lines[-1]
    losses = [case.text(loss) for s in lines if (loss := _backward(s)) is not None]
    if len(set(losses)) == 1:
        return
    edit = case.edit()
    for statement in lines[:-1]:
        edit.remove(statement)
    edit.instead(last, f"({' + '.join(losses)}).backward()")
    yield likely(edit, what=" + ".join(losses))


def _backward(statement: cst.SimpleStatementLine) -> cst.BaseExpression | None:
    for call in find(statement, cst.Call):
        if called(call) == "backward" and isinstance(call.func, cst.Attribute) and not call.args:
            return call.func.value
    return None


def _is_module(case: Case, node: cst.BaseExpression) -> bool:
    made = case.names.constructed(node)
    return made is not None and (called(made)[:1].isupper() or called(made) in case.names.classes)


@rewrite("detach-kept", "deepcopy-non-leaf", "dataloader-pickle", grades=(Grade.SURE, Grade.LIKELY))
def detach_kept(case: Case) -> Iterator[Proposal]:
    """Keeps or copies only the numbers of a result, without its graph."""
    if case.slug == "dataloader-pickle" and "requires_grad" not in case.message:
        return
    for call in case.failing_calls("deepcopy"):
        if call.args and not _is_module(case, call.args[0].value):
            text = f"{case.atom(call.args[0].value)}.detach().clone()"
            yield likely(case.edit().replace(call, text), what=case.text(call))
    for name, bindings in case.names.bindings.items():
        for bound in bindings:
            method = bound.scope
            kept = name.startswith("self.") and isinstance(method, cst.FunctionDef)
            if kept and isinstance(method, cst.FunctionDef) and method.name.value != "__init__":
                if "detach" in case.text(bound.value):
                    continue
                uses = [
                    node
                    for node in find(method, cst.Attribute)
                    if dotted(node) == name and node is not _bound_target(bound.statement, name)
                ]
                local = f"{name.removeprefix('self.')}_now" if uses else ""
                edit = case.edit()
                if uses:
                    edit.instead(
                        bound.statement,
                        f"{local} = {case.text(bound.value)}\n{name} = {local}.detach()",
                    )
                    for use in uses:
                        edit.replace(use, local)
                else:
                    edit.replace(bound.value, f"{case.atom(bound.value)}.detach()")
                yield sure(edit, what=name)


def _bound_target(statement: Statement, name: str) -> cst.BaseExpression | None:
    for assign in find(statement, cst.Assign):
        for target in assign.targets:
            if dotted(target.target) == name:
                return target.target
    return None
