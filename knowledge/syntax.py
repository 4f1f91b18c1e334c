"""Python code from a post as syntax trees, read leniently: fragments, notebooks, broken lines."""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from knowledge.python_tree import parse_python

MAX_CODE: Final = 20_000
"""Longer code is not looked at, in characters."""

_MAX_REPAIRS = 12
_RESHAPES: Final = frozenset(
    {"flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose"}
    | {"float", "to", "contiguous", "mean"}
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.While | ast.AsyncFor


@dataclass(frozen=True)
class Assignment:
    """`name = value`; `name` is dotted."""

    name: str
    value: ast.expr
    line: int


@dataclass(frozen=True)
class Code:
    """All the code of a post; line numbers rise through all its blocks."""

    trees: tuple[ast.Module, ...]

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of every block."""
        return tuple(node for tree in self.trees for node in ast.walk(tree))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name and attribute that the code mentions (comments do not count)."""
        return frozenset(
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in self.nodes
            if isinstance(node, ast.Attribute | ast.Name)
        )

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        """Every assignment to one name, in the order of the lines."""
        found = [
            Assignment(dotted(node.targets[0]), node.value, node.lineno)
            for node in self.nodes
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and dotted(node.targets[0])
        ]
        return tuple(sorted(found, key=lambda assignment: assignment.line))

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """Every loop."""
        return tuple(node for node in self.nodes if isinstance(node, Loop))

    @cached_property
    def forwards(self) -> tuple[Function, ...]:
        """The `forward` methods."""
        return tuple(n for n in self.nodes if isinstance(n, Function) and n.name == "forward")

    def made_by(self, makers: frozenset[str]) -> frozenset[str]:
        """The names that are assigned from calls of `makers`, which are last names."""
        return frozenset(a.name for a in self.assignments if called(a.value) in makers)

    def value_at(self, node: ast.AST, line: int) -> ast.AST:
        """What `node` stands for at `line`: a name's last value before it, else `node` itself."""
        name = dotted(node)
        earlier = [a.value for a in self.assignments if a.name == name and a.line <= line]
        return earlier[-1] if name and earlier else node


def read_code(blocks: Sequence[str]) -> Code:
    """The blocks that can be parsed, if need be without their broken lines; too much yields none.

    Raises RecursionError for code nested more deeply than anybody writes by hand.
    """
    if sum(map(len, blocks)) > MAX_CODE:
        return Code(())
    trees: list[ast.Module] = []
    line = 0
    for block in blocks:
        tree = _parsed(block)
        if tree is not None:
            trees.append(ast.increment_lineno(tree, line) if line else tree)
        line += block.count("\n") + _MAX_REPAIRS + 1
    return Code(tuple(trees))


def _parsed(block: str) -> ast.Module | None:
    lines = textwrap.dedent(block.expandtabs(4)).split("\n")
    for _ in range(_MAX_REPAIRS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return parse_python("\n".join(lines))
        except SyntaxError as error:
            broken = min(max((error.lineno or 1) - 1, 0), len(lines) - 1)
            if not _repaired(lines, broken, str(error.msg)):
                return None
        except (ValueError, RecursionError, MemoryError):
            return None
    return None


def _repaired(lines: list[str], broken: int, message: str) -> bool:
    """Mend `lines` at the place of a syntax error, or give up."""
    indent = _indent(lines[broken])
    if "expected an indented block" in message:
        lines.insert(broken, " " * (_indent(lines[broken - 1]) + 4) + "pass")
        return True
    if "unexpected indent" in message:  # a fragment that begins in the middle of a line or block
        before = [line for line in lines[:broken] if line.strip()]
        surplus = indent - (_indent(before[-1]) if before else 0)
        for place in range(broken, len(lines)):
            if lines[place].strip() and _indent(lines[place]) < indent:
                break
            lines[place] = lines[place][surplus:]
        return True
    if lines[broken].strip() in ("", "pass"):
        return False
    lines[broken] = " " * indent + "pass"
    return True


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def called(node: ast.AST | None) -> str:
    """The last name of what a call calls: `softmax` for `F.softmax(x)` and `x.softmax(1)`."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    if isinstance(node.func, ast.Name):
        return node.func.id
    return called(node.func)  # nn.Softmax(dim=1)(x)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a name with attributes, empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def receiver(node: ast.AST) -> str:
    """The dotted name of the object whose method is called: `opt` for `opt.step()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return dotted(node.func.value)
    return ""


def core(node: ast.AST) -> ast.AST:
    """`node` without reshaping calls around it: `p` for `p.flatten(0, 1)`."""
    while isinstance(node, ast.Call) and called(node) in _RESHAPES:
        inner = node.func
        if not isinstance(inner, ast.Attribute) or dotted(inner.value) in ("torch", "F"):
            break
        node = inner.value
    return node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def number(node: ast.AST | None) -> float | None:
    """The value of a literal number."""
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None


def within(node: ast.AST) -> Iterator[ast.Call]:
    """The calls inside `node`."""
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def returns(function: Function) -> list[ast.expr]:
    """What `function` returns, functions inside it left out."""
    found: list[ast.expr] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            found.append(node.value)
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found
