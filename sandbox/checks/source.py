"""Lines found in the learner's source, where no frame tells them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_MEASURES = ("pow", "square", "abs")


def names_used(tree: ast.Module) -> set[str]:
    """All names and attributes that the source reads or writes."""
    nodes = list(ast.walk(tree))
    names = {each.id for each in nodes if isinstance(each, ast.Name)}
    return names | {each.attr for each in nodes if isinstance(each, ast.Attribute)}


def line_of_attribute(tree: ast.Module, kind: str, attribute: str) -> int | None:
    """Where a method of class `kind` first binds `self.<attribute>`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == kind:
            lines = [
                each.lineno
                for each in ast.walk(node)
                if isinstance(each, ast.Attribute)
                and each.attr == attribute
                and isinstance(each.ctx, ast.Store)
            ]
            if lines:
                return min(lines)
    return None


def line_of_append(tree: ast.Module, names: tuple[str, ...]) -> int | None:
    """Where something is appended to a list that is reached by the last of `names`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "append" and _last_name(node.func.value) == names[-1]:
            return node.lineno
    return None


def line_of_sum(tree: ast.Module, names: tuple[str, ...]) -> int | None:
    """Where something is added to the variable that is reached by the last of `names`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            if _last_name(node.target) == names[-1]:
                return node.lineno
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.BinOp)
            and isinstance(node.value.op, ast.Add)
            and _last_name(node.targets[0]) == names[-1]
            and any(_last_name(each) == names[-1] for each in ast.walk(node.value))
        ):
            return node.lineno
    return None


def line_of_call(tree: ast.Module, name: str) -> int | None:
    """Where a function or method of this name is called; None unless that is one line."""
    lines = {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) == name
    }
    return lines.pop() if len(lines) == 1 else None


def line_of_division(tree: ast.Module) -> int | None:
    """Where something is divided; None unless that is one line."""
    lines = {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    }
    return lines.pop() if len(lines) == 1 else None


def line_of_difference(tree: ast.Module) -> int | None:
    """Where a difference is squared or its size taken; None unless that is one line."""
    lines = {
        each.lineno
        for measured in _measured(tree)
        for each in ast.walk(measured)
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Sub)
    }
    return lines.pop() if len(lines) == 1 else None


def _measured(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield node.left
        elif isinstance(node, ast.Call) and _last_name(node.func) in _MEASURES:
            yield node


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value if isinstance(node.slice.value, str) else None
    return None
