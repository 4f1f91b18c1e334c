"""Calls of ours inside functions of torch's own.

Not the function is replaced but its code object, by one of the same source that also makes a call
of ours. So there are no frames, hooks or attributes of ours that a snippet, its warnings or its
tracebacks could meet, and `torch.jit` still finds the source that it knows.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_Function = ast.FunctionDef


@dataclass(frozen=True)
class Tap:
    """One function of torch, and the code that it gets."""

    name: str
    """Of the events: `<name>_before`, `<name>_after`, `<name>_result`."""
    function: Any
    code: types.CodeType

    def open(self, handler_of: Callable[[str], Callable[..., Any]]) -> None:
        """Make the function tell the handlers from now on, for the life of this process."""
        for event in self.code.co_names:
            if event.startswith(_PREFIX):
                self.function.__globals__[event] = handler_of(event[len(_PREFIX) :])
        self.function.__code__ = self.code


_PREFIX = "_tutor_check_"


def tap(name: str, function: Any, *, after: bool = False, result: bool = False) -> Tap | None:
    """Prepare a tap on a function written in Python; None where its source does not allow it.

    `<name>_before` gets all arguments in the order of the signature. With `after`,
    `<name>_after` is called without arguments when the function is left, however that happens.
    With `result`, `<name>_result` gets what is returned.
    """
    with contextlib.suppress(Exception):
        return Tap(name, function, _code(name, function, after=after, result=result))
    return None


def _code(name: str, function: Any, *, after: bool, result: bool) -> types.CodeType:
    before: types.CodeType = function.__code__
    source = inspect.getsource(function)
    inside = source[0].isspace()
    # In a class again, so that columns, private names and super() come out as they were.
    owner = before.co_qualname.split(".")[-2] if inside else ""
    tree = ast.parse(f"class {owner}:\n{source}" if inside else source)
    ast.increment_lineno(tree, before.co_firstlineno - (2 if inside else 1))
    node = next(each for each in ast.walk(tree) if isinstance(each, _Function))
    if hasattr(function, "__wrapped__"):
        raise ValueError(f"{name} is called through another function")
    start = 1 if ast.get_docstring(node, clean=False) is not None else 0
    place = node.body[start]
    body = node.body[start:]
    if result:
        body = [_Results(name).visit(each) for each in body]
    if after:
        body = [ast.Try(body, [], [], [_call(f"{name}_after", [])])]
    told = [each.arg for each in _arguments(node.args)]
    node.body[start:] = [_call(f"{name}_before", told), *body]
    for each in ast.walk(node):
        if isinstance(each, ast.stmt | ast.expr) and not hasattr(each, "lineno"):
            ast.copy_location(each, place)
    whole = compile(tree, before.co_filename, "exec", dont_inherit=True)
    code = _find(whole, before.co_name)
    if code.co_freevars != before.co_freevars or code.co_varnames[: len(told)] != tuple(told):
        raise ValueError(f"the source of {name} is not what was compiled")
    return code.replace(co_qualname=before.co_qualname)


def _arguments(given: ast.arguments) -> list[ast.arg]:
    more = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *more]


def _call(event: str, names: list[str]) -> ast.Expr:
    given: list[ast.expr] = [ast.Name(name, ast.Load()) for name in names]
    return ast.Expr(ast.Call(ast.Name(_PREFIX + event, ast.Load()), given, []))


def _find(code: types.CodeType, name: str) -> types.CodeType:
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            if each.co_name == name:
                return each
            with contextlib.suppress(LookupError):
                return _find(each, name)
    raise LookupError(name)


class _Results(ast.NodeTransformer):
    """Tells what the function returns, not what functions inside it return."""

    def __init__(self, name: str) -> None:
        self._event = f"{_PREFIX}{name}_result"

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None:
            node.value = ast.Call(ast.Name(self._event, ast.Load()), [node.value], [])
        return node
