"""Watched lines: tells which statements of a snippet were executed.

A mark is put behind a simple statement and in front of a compound one. A mark is a call of a C
function through a name among the builtins, so that neither frames nor `globals()` show it.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator

_NAME = "__traceback_tutor_mark__"
_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
"""After them nothing of their block is executed."""
_Block = ast.stmt | ast.ExceptHandler | ast.match_case


class Watch:
    """The watched lines of one snippet, and those that were reached."""

    def __init__(self, lines: Iterable[int]) -> None:
        self._lines = frozenset(lines)
        self._reached: set[int] = set()

    @property
    def reached(self) -> tuple[int, ...]:
        """Watched lines whose innermost statement was executed, sorted."""
        return tuple(sorted(self._reached & self._lines))

    def mark(self, tree: ast.Module) -> None:
        """Put the marks into `tree`. Without watched lines nothing is changed."""
        if not self._lines:
            return
        setattr(builtins, _NAME, self._reached.add)
        targets: dict[ast.AST, list[int]] = {}
        for line in sorted(self._lines):
            if (found := _innermost(tree, line)) is not None:
                targets.setdefault(found, []).append(line)
        for node in list(ast.walk(tree)):
            for body in _bodies(node):
                # A text that is all of the snippet is a value to show, not a docstring.
                _mark_all(body, targets, docstring=body is not tree.body or len(body) > 1)
            if isinstance(node, ast.ExceptHandler | ast.match_case) and node in targets:
                node.body[:0] = _marks(node.body[0], targets[node])
        ast.fix_missing_locations(tree)


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def _mark_all(body: list[ast.stmt], targets: dict[ast.AST, list[int]], *, docstring: bool) -> None:
    """Put the marks of the statements of one block; its first text may be a docstring."""
    marked: list[ast.stmt] = []
    waiting: list[ast.stmt] = []
    for place, statement in enumerate(body):
        lines = targets.get(statement, [])
        marks = _marks(statement, lines)
        if _is_future(statement) or (docstring and place == 0 and _is_text(statement)):
            marked.append(statement)
            # Nothing may stand between a docstring and imports from the future.
            waiting += marks
            continue
        marked += waiting
        waiting = []
        if isinstance(statement, ast.Return | ast.Expr) and statement.value is not None and lines:
            statement.value = _then_marks(statement.value, lines)
            marked.append(statement)
        elif isinstance(statement, _ENDS) or _is_compound(statement):
            marked += [*marks, statement]
        else:
            marked += [statement, *marks]
    body[:] = marked + waiting


def _innermost(tree: ast.Module, line: int) -> ast.AST | None:
    """The statement, or the head of a block, that covers `line` and lies furthest in."""
    best = None
    # Walked from the outside in, so that the last one is the innermost.
    for node in ast.walk(tree):
        if isinstance(node, _Block):
            first, last = _extent(node)
            if first <= line <= last:
                best = node
    return best


def _extent(node: _Block) -> tuple[int, int]:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.body[-1].end_lineno or node.body[-1].lineno
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return first, node.end_lineno or node.lineno


def _is_compound(statement: ast.stmt) -> bool:
    return any(True for _ in _bodies(statement)) or isinstance(statement, ast.Match)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _call(line: int, place: ast.stmt | ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(_NAME, ast.Load()), [ast.Constant(line)], [])
    for node in ast.walk(call):
        ast.copy_location(node, place)
    return call


def _marks(place: ast.stmt, lines: Iterable[int]) -> list[ast.stmt]:
    return [ast.copy_location(ast.Expr(_call(line, place)), place) for line in lines]


def _then_marks(value: ast.expr, lines: list[int]) -> ast.expr:
    """An expression with the value of `value` that sets the marks once that is known."""
    parts = ast.Tuple([value, *(_call(line, value) for line in lines)], ast.Load())
    first = ast.Subscript(ast.copy_location(parts, value), ast.Constant(0), ast.Load())
    return ast.copy_location(first, value)
