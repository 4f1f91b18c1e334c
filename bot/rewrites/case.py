"""A fault in a learner's code, as the rewrites see it, and the register of all rewrites."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

import libcst as cst

from bot.rewrites.editor import Editor
from bot.rewrites.names import Names, nth
from bot.rewrites.source import Source, Statement, called, dotted, expressions, find, header

if TYPE_CHECKING:
    from sandbox.protocol import Scene, Thing

Node = TypeVar("Node", bound=cst.CSTNode)
Value = int | float | str


class Grade(StrEnum):
    """How much speaks for an edit, as compilers grade theirs."""

    SURE = "sure"
    LIKELY = "likely"
    GUESS = "guess"

    @property
    def rank(self) -> int:
        """0 for the most certain."""
        return list(Grade).index(self)


@dataclass(frozen=True)
class Fault:
    """What went wrong in a snippet: the entry that explains it and where it was raised."""

    slug: str
    slots: Mapping[str, Value] = field(default_factory=dict)
    message: str = ""
    """The error's own text, "RuntimeError: mat1 and mat2 …"."""
    line: int | None = None
    """The line of the snippet that failed, from 1; None where nothing was raised."""
    scene: Scene | None = None


@dataclass(frozen=True)
class Candidate:
    """One edit that may cure a fault: the whole edited code, and what was done to it."""

    rewrite: str
    """Its id; the locale key is `repair.` and the id with underscores."""
    code: str
    grade: Grade
    values: Mapping[str, str | int] = field(default_factory=dict)
    """The fields of the locale sentence."""


@dataclass(frozen=True)
class Proposal:
    """What a rewrite proposes, before the engine has judged whether it is a candidate."""

    code: str
    grade: Grade
    values: Mapping[str, str | int]


class Case:
    """A fault beside its code. Rewrites only read it."""

    def __init__(self, code: str, fault: Fault) -> None:
        self.code = code
        self.fault = fault

    @cached_property
    def source(self) -> Source:
        """The code as a tree. Raises Unreadable for code that cannot be parsed."""
        return Source(self.code)

    @cached_property
    def names(self) -> Names:
        """What the names of the code stand for."""
        return Names(self.source)

    @property
    def slug(self) -> str:
        """The entry of the fault."""
        return self.fault.slug

    @property
    def message(self) -> str:
        """The error's own text."""
        return self.fault.message

    def number(self, name: str) -> int | None:
        """A slot of the message that holds a whole number."""
        value = self.fault.slots.get(name)
        return value if isinstance(value, int) else None

    def word(self, name: str) -> str:
        """A slot of the message as text; "" when the message has none of this name."""
        return str(self.fault.slots.get(name, ""))

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A slot of the message that holds a shape."""
        text = self.word(name)
        return tuple(map(int, re.findall(r"-?\d+", text))) if text else None

    def numbers(self, pattern: str) -> tuple[int, ...] | None:
        """The groups of a pattern in the message, as whole numbers; None when it is not there."""
        found = re.search(pattern, self.message)
        return tuple(map(int, found.groups())) if found else None

    def edit(self) -> Editor:
        """A fresh editor of the code."""
        return Editor(self.source)

    def text(self, node: cst.CSTNode) -> str:
        """A node's own code."""
        return self.source.text(node)

    def atom(self, node: cst.BaseExpression) -> str:
        """An expression's code, so that `.name` can follow."""
        return self.source.atom(node)

    @cached_property
    def statement(self) -> Statement | None:
        """The statement that failed."""
        return self.source.statement_at(self.fault.line)

    @cached_property
    def focus(self) -> tuple[cst.CSTNode, ...]:
        """What failed: the sub-expression where it is known, else what the statement evaluates."""
        if self.statement is None:
            return ()
        whole = header(self.statement)
        place = self.fault.scene.place if self.fault.scene is not None else None
        if place is not None and place.line == self.fault.line and place.expression:
            wanted = _squeezed(place.expression)
            for part in whole:
                for node in expressions(part):
                    if _squeezed(self.text(node)) == wanted:
                        return (node,)
        return whole

    def failing(self, kind: type[Node]) -> list[Node]:
        """The nodes of `kind` in what failed; when nothing is, those of the whole statement."""
        inside = [node for part in self.focus for node in find(part, kind)]
        if inside or self.statement is None:
            return inside
        return [node for part in header(self.statement) for node in find(part, kind)]

    def failing_expressions(self) -> list[cst.BaseExpression]:
        """All expressions in what failed; when there are none, those of the whole statement."""
        inside = [node for part in self.focus for node in expressions(part)]
        if inside or self.statement is None:
            return inside
        return [node for part in header(self.statement) for node in expressions(part)]

    def failing_calls(self, *names: str) -> list[cst.Call]:
        """The calls in what failed, of these names or of any."""
        return [call for call in self.failing(cst.Call) if not names or called(call) in names]

    @cached_property
    def method(self) -> cst.FunctionDef | None:
        """The function of the snippet that failed; None at module level."""
        if self.statement is None:
            return None
        return self.source.enclosing(self.statement, cst.FunctionDef)

    @cached_property
    def callers(self) -> list[cst.Call]:
        """The calls `model(x)` that lead into the method that failed."""
        if self.method is None:
            return []
        owner = self.names.owner(self.method)
        if owner is None:
            return []
        if self.fault.scene is not None and self.fault.scene.caller is not None:
            statement = self.source.statement_at(self.fault.scene.caller.line)
            called_there = [c for c in self.names.uses(owner) if self._in(c, statement)]
            if called_there:
                return called_there
        return self.names.uses(owner)

    def _in(self, node: cst.CSTNode, statement: Statement | None) -> bool:
        return statement is not None and self.source.statement_of(node) is statement

    def thing(self, node: cst.BaseExpression) -> Thing | None:
        """What the scene saw of an expression."""
        if self.fault.scene is None:
            return None
        wanted = _squeezed(self.text(node))
        for thing in self.fault.scene.things:
            if _squeezed(thing.name) == wanted:
                return thing
        return None

    def shape_of(self, node: cst.BaseExpression) -> tuple[int, ...] | None:
        """The shape that the scene saw of an expression."""
        thing = self.thing(node)
        return thing.shape if thing is not None else None

    @property
    def nn(self) -> str:
        """How the snippet calls torch.nn."""
        return self._named("torch.nn")

    @property
    def functional(self) -> str:
        """How the snippet calls torch.nn.functional."""
        return self._named("torch.nn.functional")

    def _named(self, module: str) -> str:
        names = [name for name, what in self.source.imported.items() if what == module]
        return names[0] if names else module

    def is_module_name(self, node: cst.CSTNode) -> bool:
        """Whether an expression names an imported module, such as `torch` or `F`."""
        name = dotted(node)
        return name is not None and name.partition(".")[0] in (
            self.source.imported.keys() | _MODULES
        )

    def operand(self, call: cst.Call) -> cst.BaseExpression | None:
        """The tensor of an operation: x in `x.mean()`, `torch.mean(x)` and `F.relu(x)`."""
        if self.is_method(call) and isinstance(call.func, cst.Attribute):
            return call.func.value
        return nth(call, 0, "input")

    def is_method(self, call: cst.Call) -> bool:
        """Whether a call is one of a tensor's own methods rather than of a module's function."""
        return (
            isinstance(call.func, cst.Attribute)
            and not self.is_module_name(call.func.value)
            and dotted(call.func.value) != "self"
            and self.names.constructed(call.func) is None
        )


_MODULES: Final = frozenset({"torch", "nn", "F", "np", "numpy", "optim", "math"})


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text).replace("'", '"')


Propose = Callable[[Case], Iterator[Proposal]]


@dataclass(frozen=True)
class Rewrite:
    """One way to change code, and the entries whose faults it may cure."""

    id: str
    entries: tuple[str, ...]
    grades: tuple[Grade, ...]
    changes: str
    """What it does, in one English line."""
    propose: Propose


REGISTER: Final[dict[str, Rewrite]] = {}
"""All rewrites by id, in the order in which equally graded ones are proposed."""


def rewrite(id: str, *entries: str, grades: tuple[Grade, ...]) -> Callable[[Propose], Propose]:
    """Enter the decorated generator into the register; its docstring says what it changes."""

    def enter(propose: Propose) -> Propose:
        changes = " ".join((propose.__doc__ or "").split())
        REGISTER[id] = Rewrite(id, entries, grades, changes, propose)
        return propose

    return enter


SURE: Final = (Grade.SURE,)
LIKELY: Final = (Grade.LIKELY,)
GUESS: Final = (Grade.GUESS,)


def sure(editor: Editor, **values: str | int) -> Proposal:
    """A proposal that the message or the code leaves no doubt about."""
    return Proposal(editor.code(), Grade.SURE, values)


def likely(editor: Editor, **values: str | int) -> Proposal:
    """A proposal that usually is what was meant."""
    return Proposal(editor.code(), Grade.LIKELY, values)


def guess(editor: Editor, **values: str | int) -> Proposal:
    """A proposal that makes the code run, with no sign that it is what was meant."""
    return Proposal(editor.code(), Grade.GUESS, values)
