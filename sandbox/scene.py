"""What the failing line saw: its place, the things that it names, the layers that ran.

Read after the snippet failed, from the frames of its traceback, by `sandbox.reading`: nothing of
the snippet's own is run, and nothing that it has bound is changed.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from sandbox import layers, reading, things
from sandbox.protocol import (
    NAME_AT_MOST,
    TEXT_AT_MOST,
    THINGS_AT_MOST,
    Layer,
    Place,
    Scene,
    Thing,
)

_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_FRAMES_AT_MOST = 20_000
_NAMES_AT_MOST = 200
_Span = tuple[int, int, int, int]
"""First and last line, first and last column, the columns in bytes."""
_traceback_of = BaseException.__dict__["__traceback__"].__get__


@dataclass(frozen=True)
class _Step:
    """One frame of a traceback, with the place in its code that it had come to."""

    frame: types.FrameType
    line: int
    position: int
    """Of the instruction, in bytes."""


class Reader:
    """Reads the scene bit by bit, so that what is there can be taken when the time is up."""

    def __init__(
        self,
        code: str,
        filename: str,
        device_of: Callable[[torch.Tensor], str] | None = None,
    ) -> None:
        self._code = code
        self._lines = [line.rstrip("\n") for line in io.StringIO(code, newline=None)]
        self._filename = filename
        self._device_of = device_of
        self._place: Place | None = None
        self._caller: Place | None = None
        self._things: dict[str, Thing] = {}
        self._layers: tuple[Layer, ...] = ()

    @property
    def scene(self) -> Scene | None:
        """What has been read so far; None before the place is known."""
        if self._place is None:
            return None
        return Scene(
            place=self._place,
            caller=self._caller,
            things=tuple(self._things.values())[:THINGS_AT_MOST],
            layers=self._layers,
        )

    def read(self, problem: BaseException) -> None:
        """Read what led to `problem`, the most useful first."""
        steps = list(_steps(problem))
        own = [i for i, step in enumerate(steps) if self._is_own(step)]
        if not own:
            return
        here = steps[own[-1]]
        self._place = self._place_of(here)
        with contextlib.suppress(Exception):
            self._layers = layers.way(step.frame for step in steps)
        caller = self._caller_of(steps, own)
        if caller is not None:
            self._caller = self._place_of(caller)
        tree = ast.parse(self._code)
        self._place = self._place_of(here, tree)
        self._name_things(tree, here, steps)
        if caller is not None:
            self._caller = self._place_of(caller, tree)
            self._name_things(tree, caller, steps)

    def _is_own(self, step: _Step) -> bool:
        return step.frame.f_code.co_filename == self._filename

    def _caller_of(self, steps: list[_Step], own: list[int]) -> _Step | None:
        """The line that called the module in whose code it failed."""
        for outer in reversed(own[:-1]):
            if any(layers.is_call(step.frame) for step in steps[outer + 1 : own[-1]]):
                return steps[outer]
        return None

    # --- Places -----------------------------------------------------------------------------------

    def _place_of(self, step: _Step, tree: ast.Module | None = None) -> Place:
        text = self._lines[step.line - 1] if 0 < step.line <= len(self._lines) else ""
        code = text.strip()
        span = _span(step, tree)
        expression = start = end = None
        if span is not None and span[0] <= step.line <= span[1] and not _is_statement(span, tree):
            expression = self._between(*span)
            indent = len(text) - len(text.lstrip())
            first = _characters(text, span[2]) if span[0] == step.line else indent
            last = _characters(text, span[3]) if span[1] == step.line else len(text.rstrip())
            start, end = max(0, first - indent), min(len(code), last - indent)
        return Place(
            line=step.line,
            function=reading.clean(step.frame.f_code.co_name, NAME_AT_MOST),
            code=reading.clean(code, TEXT_AT_MOST),
            expression=reading.clean(expression, TEXT_AT_MOST) if expression else None,
            start=start,
            end=end,
        )

    def _between(self, line: int, end_line: int, column: int, end_column: int) -> str:
        lines = self._lines[line - 1 : end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: _characters(lines[-1], end_column)]
        lines[0] = lines[0][_characters(lines[0], column) :]
        return "\n".join(lines)

    # --- Things -----------------------------------------------------------------------------------

    def _name_things(self, tree: ast.Module, step: _Step, steps: list[_Step]) -> None:
        span = _span(step, tree)
        above = steps[: steps.index(step)]
        scope = _Scope(step.frame, [each.frame for each in reversed(above)])
        for node in _named(tree, step, span):
            if len(self._things) >= THINGS_AT_MOST:
                return
            with contextlib.suppress(Exception):
                self._add(node, scope)

    def _add(self, node: ast.expr, scope: _Scope) -> None:
        """Add what `node` names, or else the longest part of it that can be read."""
        while True:
            value = scope.value(node)
            if value is not reading.MISSING:
                break
            if not isinstance(node, ast.Attribute | ast.Subscript):
                return
            node = node.value
        name = ast.unparse(node)
        if name not in self._things:
            thing = things.describe(name, value, self._device_of)
            if thing is not None:
                self._things[name] = thing


class _Scope:
    """The names that a frame can see, as plain dictionaries."""

    def __init__(self, frame: types.FrameType, outer: Iterable[types.FrameType]) -> None:
        """`outer` are the frames above it, the nearest first."""
        spaces = [frame.f_locals]
        inner = frame.f_code
        for each in outer:
            # A comprehension or a class has a frame of its own; its line names what is around it.
            own = inner.co_name in _COMPREHENSIONS or not inner.co_flags & inspect.CO_OPTIMIZED
            if own and inner in each.f_code.co_consts:
                spaces.append(each.f_locals)
                inner = each.f_code
        self._spaces = [each for each in (*spaces, frame.f_globals) if type(each) is dict]

    def value(self, node: ast.expr) -> Any:
        """What a name, an attribute or a constant index stands for; MISSING when not stored."""
        if isinstance(node, ast.Name):
            found = (space[node.id] for space in self._spaces if node.id in space)
            return next(found, reading.MISSING)
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            return base if base is reading.MISSING else reading.attribute(base, node.attr)
        if isinstance(node, ast.Subscript):
            base, key = self.value(node.value), _constant(node.slice)
            return base if base is reading.MISSING else reading.item(base, key)
        return reading.MISSING


def _steps(problem: BaseException) -> Iterator[_Step]:
    """The frames of the traceback, outermost first."""
    trace: types.TracebackType | None = _traceback_of(problem)
    for _ in range(_FRAMES_AT_MOST):
        if trace is None:
            return
        yield _Step(trace.tb_frame, trace.tb_lineno, trace.tb_lasti)
        trace = trace.tb_next


def _span(step: _Step, tree: ast.Module | None = None) -> _Span | None:
    """What was being evaluated, as the interpreter tells it; with `tree`, the whole of it.

    The interpreter lets a method call that spans lines begin at the name of the method.
    """
    positions = list(step.frame.f_code.co_positions())
    place = step.position // 2
    if not 0 <= place < len(positions):
        return None
    line, end_line, column, end_column = positions[place]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    wholes = [
        (node.lineno, node.col_offset)
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.expr)
        and (node.end_lineno, node.end_col_offset) == (end_line, end_column)
        and (node.lineno, node.col_offset) <= (line, column)
    ]
    line, column = max(wholes, default=(line, column))
    return line, end_line, column, end_column


def _is_statement(span: _Span, tree: ast.Module | None) -> bool:
    """True for what is no expression, such as a whole `raise` or `import`: nothing to mark."""
    return tree is not None and any(
        isinstance(node, ast.stmt)
        and not isinstance(node, ast.Expr)
        and (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == span
        for node in ast.walk(tree)
    )


def _characters(text: str, column: int) -> int:
    """A column in bytes as one in characters."""
    return len(text.encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))


def _constant(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return -value if type(value) is int else None
    return None


# --- Which names a line has -----------------------------------------------------------------------


def _named(tree: ast.Module, step: _Step, span: _Span | None) -> list[ast.expr]:
    """Names, attributes and constant subscripts of the failing statement, in reading order.

    Those inside the sub-expression that failed come first.
    """
    whole = _innermost(tree, step)
    if whole is None:
        return []
    found: list[ast.expr] = []
    for part in _header(whole):
        found += _chains(part, frozenset())

    def outside(node: ast.expr) -> bool:
        if span is None:
            return False
        begins, ends = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset)
        return begins < (span[0], span[2]) or ends > (span[1], span[3] or 0)

    return sorted(found, key=outside)[:_NAMES_AT_MOST]


def _innermost(tree: ast.Module, step: _Step) -> ast.stmt | ast.expr | None:
    """The statement of the failing line, or the lambda or comprehension whose frame it is."""
    name = step.frame.f_code.co_name
    wanted: Any = ast.stmt
    if name == "<lambda>":
        wanted = ast.Lambda
    elif name in _COMPREHENSIONS:
        wanted = _Comprehension
    span = _span(step)
    low = (span[0], span[2]) if span else (step.line, 0)
    high = (span[1], span[3]) if span else (step.line, 0)
    best: ast.stmt | ast.expr | None = None
    for node in ast.walk(tree):
        if not isinstance(node, wanted) or not isinstance(node, ast.stmt | ast.expr):
            continue
        begins = min([node.lineno, *(each.lineno for each in _decorators(node))])
        column = 0 if span is None else node.col_offset
        ends = (node.end_lineno, node.end_col_offset if span else 1 << 30)
        # Walked from the outside in: a later one that fits lies further in.
        if (begins, column) <= low and high <= ends:
            best = node
    return best


def _decorators(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.decorator_list
    return []


def _header(node: ast.AST) -> Iterator[ast.AST]:
    """What of a statement belongs to its own line: all of it but the statements inside."""
    if isinstance(node, ast.Lambda):
        yield node.body
    elif isinstance(node, ast.AugAssign):
        yield node
    elif isinstance(node, _Comprehension):
        yield from ast.iter_child_nodes(node)
    elif isinstance(node, _Function):
        yield from (*node.decorator_list, node.args)
    elif isinstance(node, ast.Try | ast.TryStar):
        yield from (each.type for each in node.handlers if each.type is not None)
    elif isinstance(node, ast.Match):
        yield node.subject
        yield from (each.guard for each in node.cases if each.guard is not None)
    else:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt):
                yield child


def _chains(node: ast.AST, hidden: frozenset[str]) -> Iterator[ast.expr]:
    """The outermost names, attribute chains and subscripts below `node`, left to right.

    `hidden` are the names that stand for something of an inner function's own.
    """
    if isinstance(node, ast.Lambda):
        # Its names are another frame's; only its defaults are evaluated here.
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each)):
            yield from _chains(default, hidden)
        return
    if isinstance(node, _Comprehension):
        targets = (each.target for each in node.generators)
        names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        hidden |= names
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and _root(node) is not None:
        # What is being assigned has no value yet, but what it is a part of has.
        named = node if isinstance(node.ctx, ast.Load) else getattr(node, "value", None)
        if named is not None and _root(node) not in hidden:
            yield named
        for part in _indices(node):
            yield from _chains(part, hidden)
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child, hidden)


def _root(node: ast.AST) -> str | None:
    """The name that a chain of attributes and subscripts begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _indices(node: ast.AST) -> Iterator[ast.AST]:
    """The subscripts of a chain, which may name things of their own."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Subscript):
            yield node.slice
        node = node.value
