"""Edits of a parsed snippet, collected and then made at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from bot.rewrites.source import Source, Statement, dotted, walk

Made = cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel


@dataclass
class _Around:
    before: list[cst.BaseStatement] = field(default_factory=list)
    after: list[cst.BaseStatement] = field(default_factory=list)
    instead: list[cst.BaseStatement] | None = None
    wrap: str | None = None


class Editor:
    """Collects edits of one Source. Edits of a node and of its parts exclude each other."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._nodes: dict[cst.CSTNode, cst.CSTNode | cst.RemovalSentinel] = {}
        self._around: dict[cst.CSTNode, _Around] = {}
        self._imports: list[str] = []

    def replace(self, node: cst.BaseExpression, text: str) -> Editor:
        """Put the expression `text` in the place of an expression."""
        self._nodes[node] = self._source.fit(node, text)
        return self

    def swap(self, node: cst.CSTNode, new: cst.CSTNode) -> Editor:
        """Put one node in the place of another of the same sort."""
        self._nodes[node] = new
        return self

    def remove(self, node: cst.CSTNode) -> Editor:
        """Take an argument, an element or a whole statement away."""
        if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            self._at(node).instead = []
        else:
            self._nodes[node] = cst.RemoveFromParent()
        return self

    def before(self, statement: Statement, text: str) -> Editor:
        """Insert statements in front of one."""
        self._at(statement).before.extend(self._parse(text))
        return self

    def after(self, statement: Statement, text: str) -> Editor:
        """Insert statements behind one."""
        self._at(statement).after.extend(self._parse(text))
        return self

    def instead(self, statement: Statement, text: str) -> Editor:
        """Put statements in the place of one; comments above it stay."""
        self._at(statement).instead = self._parse(text)
        return self

    def unwrap(self, block: cst.With) -> Editor:
        """Put the statements of a block in its place."""
        self._at(block).instead = [s for s in block.body.body if isinstance(s, cst.BaseStatement)]
        return self

    def wrap(self, statement: Statement, opening: str) -> Editor:
        """Put one statement into a block that `opening` ("with torch.no_grad():") begins."""
        self._at(statement).wrap = opening
        return self

    def importing(self, line: str) -> Editor:
        """Add an import line unless what it binds is imported already."""
        wanted = Source(line).imported
        if any(self._source.imported.get(name) != what for name, what in wanted.items()):
            self._imports.append(line)
        return self

    def code(self) -> str:
        """The edited code."""
        module = self._source.module.visit(_Making(self._nodes, self._around, self._made))
        if self._imports:
            module = _with_imports(module, self._imports, self._parse)
        return module.code

    def _at(self, statement: cst.CSTNode) -> _Around:
        return self._around.setdefault(statement, _Around())

    def _parse(self, text: str) -> list[cst.BaseStatement]:
        parsed = cst.parse_module(text, config=self._source.module.config_for_parsing)
        nodes: list[cst.BaseStatement] = [
            node for node in parsed.body if isinstance(node, cst.BaseStatement)
        ]
        if nodes and parsed.header:
            leading = [*parsed.header, *getattr(nodes[0], "leading_lines", ())]
            nodes[0] = nodes[0].with_changes(leading_lines=leading)
        return nodes

    def _made(self, around: _Around, updated: cst.BaseStatement) -> Made:
        body = [updated] if around.instead is None else list(around.instead)
        leading: Sequence[cst.EmptyLine] = getattr(updated, "leading_lines", ())
        if around.wrap is not None:
            (block,) = self._parse(f"{around.wrap}\n    pass")
            inner = updated.with_changes(leading_lines=())
            body = [block.with_changes(leading_lines=leading, body=cst.IndentedBlock(body=[inner]))]
        elif around.instead:
            body[0] = _with_comments_of(body[0], updated)
        made = [*around.before, *body, *around.after]
        if around.before and body:
            blank = next((i for i, line in enumerate(leading) if line.comment), len(leading))
            made[0] = made[0].with_changes(leading_lines=leading[:blank])
            made[len(around.before)] = body[0].with_changes(leading_lines=leading[blank:])
        if not made:
            return cst.RemoveFromParent()
        return made[0] if len(made) == 1 else cst.FlattenSentinel(made)


class _Making(cst.CSTTransformer):
    def __init__(
        self,
        nodes: dict[cst.CSTNode, cst.CSTNode | cst.RemovalSentinel],
        around: dict[cst.CSTNode, _Around],
        made: Callable[[_Around, cst.BaseStatement], Made],
    ) -> None:
        super().__init__()
        self._nodes = nodes
        self._around = around
        self._made = made

    def on_leave(  # type: ignore[override]
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> object:
        new = self._nodes.get(original_node)
        if new is not None:
            return new
        around = self._around.get(original_node)
        if around is not None and isinstance(updated_node, cst.BaseStatement):
            return self._made(around, updated_node)
        if isinstance(updated_node, cst.IndentedBlock) and not updated_node.body:
            return updated_node.with_changes(body=[cst.parse_statement("pass")])
        return updated_node


def _with_comments_of(new: cst.BaseStatement, old: cst.BaseStatement) -> cst.BaseStatement:
    leading = [*getattr(old, "leading_lines", ()), *getattr(new, "leading_lines", ())]
    new = new.with_changes(leading_lines=leading)
    if isinstance(new, cst.SimpleStatementLine) and isinstance(old, cst.SimpleStatementLine):
        return new.with_changes(trailing_whitespace=old.trailing_whitespace)
    return new


def _with_imports(
    module: cst.Module, lines: Sequence[str], parse: Callable[[str], list[cst.BaseStatement]]
) -> cst.Module:
    """The module with import lines behind those that it opens with, or its docstring."""
    body = list(module.body)
    place = 1 if module.get_docstring() is not None else 0
    while place < len(body) and _imports_only(body[place]):
        place += 1
    added = [statement for line in dict.fromkeys(lines) for statement in parse(line)]
    return module.with_changes(body=[*body[:place], *added, *body[place:]])


def _imports_only(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(small, cst.Import | cst.ImportFrom) for small in statement.body
    )


def names_in(node: cst.CSTNode) -> set[str]:
    """The names and dotted names that a piece of code mentions."""
    return {name for part in walk(node) if (name := dotted(part))}
