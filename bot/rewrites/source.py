"""A snippet as a tree whose parts are found by line and exchanged without touching the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, TypeVar

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from knowledge.python_tree import parse_python

MAX_CODE: Final = 100_000
"""Characters; a longer snippet is not read."""

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
Node = TypeVar("Node", bound=cst.CSTNode)

_COMPOUND_EXPRESSIONS = (
    cst.BinaryOperation,
    cst.UnaryOperation,
    cst.BooleanOperation,
    cst.Comparison,
    cst.IfExp,
    cst.Lambda,
    cst.Await,
    cst.Yield,
    cst.NamedExpr,
    cst.BaseNumber,
    cst.Tuple,
    cst.GeneratorExp,
)
_ROOMY = (
    cst.Arg,
    cst.Assign,
    cst.AugAssign,
    cst.AnnAssign,
    cst.Return,
    cst.Expr,
    cst.Element,
    cst.Index,
    cst.If,
    cst.While,
    cst.For,
    cst.WithItem,
    cst.FormattedStringExpression,
    cst.DictElement,
)
"""Parents that take any expression as it is."""


class Unreadable(ValueError):
    """Code that is no Python, or too long or too deeply nested to be read."""


class Source:
    """Parsed code. Nodes are compared by identity; positions are those of the given text."""

    def __init__(self, code: str) -> None:
        """Parse `code`. Raises Unreadable."""
        if len(code) > MAX_CODE:
            raise Unreadable("The code is too long to be rewritten.")
        try:
            # Refuses what nests so deeply that the next parser would overflow its stack.
            parse_python(code)
            wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
            self._positions = wrapper.resolve(PositionProvider)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise Unreadable("The code cannot be parsed.") from error
        except cst.ParserSyntaxError as error:
            raise Unreadable("The code cannot be parsed.") from error
        self.code = code
        self.module = wrapper.module
        self._nodes: list[cst.CSTNode] = []
        """All of them, in the order of the code."""
        # Six times as fast as ParentNodeProvider, and every answer to a known error pays for it.
        self._parents: dict[cst.CSTNode, cst.CSTNode] = {}
        for node, children in _walk(self.module):
            self._nodes.append(node)
            self._parents.update(dict.fromkeys(children, node))

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, outer before inner, in order."""
        return tuple(
            node
            for node in self._nodes
            if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement)
        )

    @cached_property
    def calls(self) -> tuple[cst.Call, ...]:
        """All calls, in order, outer before inner."""
        return tuple(node for node in self._nodes if isinstance(node, cst.Call))

    @cached_property
    def imported(self) -> dict[str, str]:
        """Names bound by imports, with what they stand for: {"nn": "torch.nn"}."""
        found: dict[str, str] = {}
        for node in self._nodes:
            if isinstance(node, cst.Import):
                for alias in node.names:
                    name = dotted(alias.name) or ""
                    if alias.asname is not None:
                        found[dotted(alias.asname.name) or ""] = name
                    else:
                        found[name.partition(".")[0]] = name.partition(".")[0]
            elif isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                home = dotted(node.module) if node.module else ""
                for alias in node.names:
                    name = dotted(alias.name) or ""
                    bound = dotted(alias.asname.name) if alias.asname else name
                    found[bound or ""] = f"{home}.{name}"
        return found

    def line(self, node: cst.CSTNode) -> int:
        """The first line of a node, from 1."""
        return self._range(node).start.line

    def _range(self, node: cst.CSTNode) -> CodeRange:
        found = self._positions[node]
        assert isinstance(found, CodeRange)  # noqa: S101 (libcst types it as a union)
        return found

    def column(self, node: cst.CSTNode) -> int:
        """The first column of a node, from 0."""
        return self._range(node).start.column

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node that holds this one; None for the module."""
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around this one, innermost first."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def enclosing(self, node: cst.CSTNode, kind: type[Node]) -> Node | None:
        """The innermost node of `kind` around this one."""
        return next((above for above in self.ancestors(node) if isinstance(above, kind)), None)

    def statement_of(self, node: cst.CSTNode) -> Statement:
        """The statement that this node is, or is part of."""
        for above in (node, *self.ancestors(node)):
            if isinstance(above, cst.SimpleStatementLine | cst.BaseCompoundStatement):
                return above
        raise Unreadable("A node outside all statements.")

    def block_of(self, statement: cst.CSTNode) -> Sequence[cst.CSTNode]:
        """The statements of the block that `statement` stands in."""
        above = self.parent(statement)
        if isinstance(above, cst.Module | cst.IndentedBlock):
            return above.body
        return (statement,)

    def statement_at(self, line: int | None) -> Statement | None:
        """The innermost statement whose own text, not its body's, covers a line."""
        best: Statement | None = None
        if line is None:
            return None
        for statement in self.statements:
            if self.line(statement) <= line <= self._last_line(statement):
                best = statement
        return best

    def _last_line(self, statement: Statement) -> int:
        body = getattr(statement, "body", None)
        if isinstance(body, cst.IndentedBlock) and body.body:
            first = body.body[0]
            return max(self.line(statement), self.line(first) - 1)
        return self._range(statement).end.line

    def text(self, node: cst.CSTNode) -> str:
        """The node's own code."""
        return self.module.code_for_node(node)

    def atom(self, node: cst.BaseExpression) -> str:
        """The code of an expression, so that `.name` or `[0]` can follow it."""
        text = self.text(node)
        return f"({text})" if isinstance(node, _COMPOUND_EXPRESSIONS) and not node.lpar else text

    def fit(self, old: cst.CSTNode, text: str) -> cst.BaseExpression:
        """`text` parsed as an expression that can stand in the place of `old`."""
        new = cst.parse_expression(text, config=self.module.config_for_parsing)
        above = self.parent(old)
        tight = not isinstance(above, _ROOMY) or bool(getattr(old, "lpar", ()))
        if tight and isinstance(new, _COMPOUND_EXPRESSIONS) and not new.lpar:
            return new.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        if getattr(old, "lpar", ()) and not new.lpar and not text.startswith("("):
            return new.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return new


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The node and all nodes below it, in the order of the code."""
    return (below for below, _ in _walk(node))


def _walk(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, Sequence[cst.CSTNode]]]:
    """Each node with its children."""
    todo = [node]
    while todo:
        current = todo.pop()
        children = current.children
        yield current, children
        todo.extend(reversed(children))


def find(root: cst.CSTNode, kind: type[Node]) -> list[Node]:
    """All nodes of `kind` in `root`, itself included, in the order of the code."""
    return [node for node in walk(root) if isinstance(node, kind)]


def expressions(root: cst.CSTNode) -> list[cst.BaseExpression]:
    """All expressions in `root`, itself included, in the order of the code."""
    return [node for node in walk(root) if isinstance(node, cst.BaseExpression)]


def header(statement: cst.CSTNode) -> tuple[cst.CSTNode, ...]:
    """What a statement evaluates itself: all of a simple one, a compound one without its body."""
    match statement:
        case cst.If(test=test) | cst.While(test=test):
            return (test,)
        case cst.For(target=target, iter=iterable):
            return (target, iterable)
        case cst.With(items=items):
            return tuple(items)
        case cst.FunctionDef(decorators=decorators, params=params):
            return (*decorators, params)
        case cst.ClassDef(bases=bases, decorators=decorators):
            return (*decorators, *bases)
        case cst.SimpleStatementLine():
            return (statement,)
        case _:
            return ()


def dotted(node: cst.CSTNode | None) -> str | None:
    """`a.b.c` for names and attributes of names, None for any other expression."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        home = dotted(node.value)
        return f"{home}.{node.attr.value}" if home else None
    return None


def called(call: cst.CSTNode) -> str:
    """The last part of the name of what is called: "Linear" for `nn.Linear(4, 2)`."""
    function = call.func if isinstance(call, cst.Call) else call
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""
