"""What the names of a snippet stand for, as far as reading it tells."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import libcst as cst

from bot.rewrites.source import Source, Statement, called, dotted, find, walk

Scope = cst.FunctionDef | cst.Module
Number = int | float

_DEPTH: Final = 12
_MOST: Final = 10**12
_UNCHANGING: Final = frozenset(
    {"to", "cuda", "cpu", "train", "eval", "float", "half", "double", "requires_grad_", "apply"}
)
_WRAPPING: Final = frozenset({"DataParallel", "DistributedDataParallel", "compile"})
_ARITHMETIC: Final[Mapping[type[cst.BaseBinaryOp], Callable[[Number, Number], Number]]] = {
    cst.Add: operator.add,
    cst.Subtract: operator.sub,
    cst.Multiply: operator.mul,
    cst.FloorDivide: operator.floordiv,
    cst.Divide: operator.truediv,
    cst.Modulo: operator.mod,
}


@dataclass(frozen=True)
class Binding:
    """One place that gives a name ("x", "self.fc") a value."""

    name: str
    value: cst.BaseExpression
    statement: Statement
    item: int | None
    """The position in an unpacked value; None when the name is the whole value."""
    scope: Scope
    owner: cst.ClassDef | None
    loop: bool
    """True for the target of a `for`: the name is one item of the value."""


class Names:
    """The bindings of a snippet."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @cached_property
    def bindings(self) -> Mapping[str, Sequence[Binding]]:
        """All bindings by name, in the order of the code."""
        found: dict[str, list[Binding]] = {}
        for statement in self.source.statements:
            for name, value, item, loop in _bound(statement):
                place = Binding(
                    name, value, statement, item, self.scope(statement), self.owner(statement), loop
                )
                found.setdefault(name, []).append(place)
        return found

    @cached_property
    def classes(self) -> Mapping[str, cst.ClassDef]:
        """The classes of the snippet by name."""
        return {node.name.value: node for node in find(self.source.module, cst.ClassDef)}

    @cached_property
    def functions(self) -> Mapping[str, cst.FunctionDef]:
        """The functions of the snippet by name, methods left out."""
        return {
            node.name.value: node
            for node in find(self.source.module, cst.FunctionDef)
            if self.owner(node) is None
        }

    def scope(self, node: cst.CSTNode) -> Scope:
        """The innermost function around a node, else the module."""
        return self.source.enclosing(node, cst.FunctionDef) or self.source.module

    def owner(self, node: cst.CSTNode) -> cst.ClassDef | None:
        """The class in whose body or method a node stands."""
        return self.source.enclosing(node, cst.ClassDef)

    def resolve(self, node: cst.BaseExpression) -> Binding | None:
        """The latest binding, above `node`, of the name that it is."""
        name = dotted(node)
        if name is None:
            return None
        if name.startswith("self."):
            owner = self.owner(node)
            mine = [b for b in self.bindings.get(name, ()) if b.owner is owner]
            return mine[-1] if mine else None
        line = self.source.line(node)
        scopes: list[Scope] = [self.scope(node)]
        if scopes[0] is not self.source.module:
            if name in parameters(scopes[0]):
                scopes = scopes[:1]
            else:
                scopes.append(self.source.module)
        for scope in scopes:
            here = [b for b in self.bindings.get(name, ()) if b.scope is scope]
            above = [b for b in here if self.source.line(b.statement) < line or b.loop]
            if above:
                return above[-1]
            if here and name not in parameters(scope):
                return here[-1]
        return self._through_instance(node)

    def _through_instance(self, node: cst.BaseExpression) -> Binding | None:
        """`model.fc` where `model = Net()`: the binding of `self.fc` in Net."""
        if not isinstance(node, cst.Attribute):
            return None
        owner = self.class_of(node.value)
        mine = [b for b in self.bindings.get(f"self.{node.attr.value}", ()) if b.owner is owner]
        return mine[-1] if owner is not None and mine else None

    def value(self, node: cst.BaseExpression) -> cst.BaseExpression | None:
        """The expression that the name `node` was given as a whole; other expressions as are."""
        for _ in range(_DEPTH):
            if dotted(node) is None:
                return node
            binding = self.resolve(node)
            if binding is None or binding.loop or binding.item is not None:
                return None
            if binding.value is node:
                return None
            node = binding.value
        return None

    def constructed(self, node: cst.BaseExpression) -> cst.Call | None:
        """The constructor call behind an expression: `Net(4)` for a name given `Net(4).to(d)`."""
        current: cst.BaseExpression | None = node
        for _ in range(_DEPTH):
            current = self.value(current) if current is not None else None
            if not isinstance(current, cst.Call):
                return None
            if isinstance(current.func, cst.Attribute) and called(current) in _UNCHANGING:
                current = current.func.value
            elif called(current) in _WRAPPING and current.args:
                current = current.args[0].value
            else:
                return current
        return None

    def class_of(self, node: cst.BaseExpression) -> cst.ClassDef | None:
        """The snippet's own class that an expression is an instance of."""
        if dotted(node) == "self":
            return self.owner(node)
        made = self.constructed(node)
        return self.classes.get(called(made)) if made is not None else None

    def kind(self, node: cst.BaseExpression) -> str:
        """What an expression is an instance of by its constructor: "LSTM"; "" when unknown."""
        made = self.constructed(node)
        return called(made) if made is not None else ""

    def makers(self, owner: cst.ClassDef) -> list[cst.Call]:
        """The calls that make instances of a class of the snippet."""
        return [
            call
            for call in self.source.calls
            if isinstance(call.func, cst.Name) and call.func.value == owner.name.value
        ]

    def uses(self, owner: cst.ClassDef) -> list[cst.Call]:
        """The calls of instances of a class: `model(x)`."""
        return [
            call
            for call in self.source.calls
            if called(call) != owner.name.value
            and dotted(call.func) != "self"
            and self.class_of(call.func) is owner
        ]

    def passed(self, node: cst.BaseExpression) -> list[cst.BaseExpression]:
        """The values that callers give the parameter which `node` names."""
        scope = self.scope(node)
        name = dotted(node)
        if isinstance(scope, cst.Module) or name not in parameters(scope):
            return []
        at = parameters(scope).index(name)
        owner = self.owner(scope)
        if owner is None:
            calls = [c for c in self.source.calls if dotted(c.func) == scope.name.value]
        elif scope.name.value == "__init__":
            calls, at = self.makers(owner), at - 1
        elif scope.name.value in {"forward", "__call__"}:
            calls, at = self.uses(owner), at - 1
        else:
            calls, at = [], 0
        return [value for call in calls if (value := nth(call, at, name)) is not None]

    def default(self, node: cst.BaseExpression) -> cst.BaseExpression | None:
        """The default of the parameter that `node` names."""
        scope = self.scope(node)
        if isinstance(scope, cst.Module):
            return None
        for param in (*scope.params.params, *scope.params.kwonly_params):
            if param.name.value == dotted(node):
                return param.default
        return None

    def number(self, node: cst.BaseExpression, depth: int = _DEPTH) -> Number | None:
        """The number that an expression is for certain."""
        if depth == 0:
            return None
        match node:
            case cst.Integer() | cst.Float():
                return node.evaluated_value
            case cst.UnaryOperation(operator=cst.Minus(), expression=inner):
                value = self.number(inner, depth - 1)
                return None if value is None else -value
            case cst.BinaryOperation(left=left, operator=sign, right=right):
                return self._arithmetic(left, sign, right, depth)
            case cst.Name() | cst.Attribute():
                return self._named_number(node, depth)
        return None

    def _arithmetic(
        self,
        left: cst.BaseExpression,
        sign: cst.BaseBinaryOp,
        right: cst.BaseExpression,
        depth: int,
    ) -> Number | None:
        one, two = self.number(left, depth - 1), self.number(right, depth - 1)
        if one is None or two is None:
            return None
        if isinstance(sign, cst.Power) and 0 <= two <= 8 and abs(one) <= 10_000:
            return one**two
        function = _ARITHMETIC.get(type(sign))
        if function is None or abs(one) > _MOST or abs(two) > _MOST:
            return None
        try:
            return function(one, two)
        except ZeroDivisionError:
            return None

    def _named_number(self, node: cst.BaseExpression, depth: int) -> Number | None:
        binding = self.resolve(node)
        if binding is not None:
            if binding.loop or binding.item is not None:
                return None
            return self.number(binding.value, depth - 1)
        given = self.passed(node)
        default = self.default(node)
        if not given and default is not None:
            given = [default]
        values = {self.number(value, depth - 1) for value in given}
        return values.pop() if len(values) == 1 else None


def parameters(scope: Scope) -> list[str]:
    """The names of a function's parameters in order; none for a module."""
    if isinstance(scope, cst.Module):
        return []
    params = scope.params
    listed = (*params.posonly_params, *params.params, *params.kwonly_params)
    return [param.name.value for param in listed]


def nth(call: cst.Call, at: int, name: str | None = None) -> cst.BaseExpression | None:
    """The value of a call's argument by its position or its keyword."""
    positional = 0
    for arg in call.args:
        if arg.star:
            return None
        if arg.keyword is not None:
            if arg.keyword.value == name:
                return arg.value
        else:
            if positional == at:
                return arg.value
            positional += 1
    return None


def _bound(
    statement: Statement,
) -> Iterator[tuple[str, cst.BaseExpression, int | None, bool]]:
    """The names that a statement binds, with value, position in it, and whether it loops."""
    if isinstance(statement, cst.For):
        for name in _names(statement.target):
            yield name, statement.iter, None, True
    if not isinstance(statement, cst.SimpleStatementLine):
        return
    for small in statement.body:
        if isinstance(small, cst.AnnAssign) and small.value is not None:
            if (annotated := dotted(small.target)) is not None:
                yield annotated, small.value, None, False
        elif isinstance(small, cst.Assign):
            for target in small.targets:
                yield from _paired(target.target, small.value)


def _paired(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> Iterator[tuple[str, cst.BaseExpression, int | None, bool]]:
    name = dotted(target)
    if name is not None:
        yield name, value, None, False
    elif isinstance(target, cst.Tuple | cst.List):
        values = value.elements if isinstance(value, cst.Tuple | cst.List) else ()
        for at, element in enumerate(target.elements):
            if len(values) == len(target.elements):
                yield from _paired(element.value, values[at].value)
            else:
                for name in _names(element.value):
                    yield name, value, at, False


def _names(target: cst.CSTNode) -> list[str]:
    if (name := dotted(target)) is not None:
        return [name]
    return [node.value for node in walk(target) if isinstance(node, cst.Name)]
