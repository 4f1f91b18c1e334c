"""What a snippet's text says about its modules, instances and numbers. Nothing is run."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
_MOST: Final = 1 << 24
_UNWRAPPED: Final = {"to", "cuda", "cpu", "train", "eval", "float", "double", "half"}

Numbers = Mapping[str, int]


@dataclass(frozen=True)
class Layer:
    """A call that makes a module, and the numbers that its arguments may name."""

    kind: str
    """The class without the module path: "Linear"."""
    call: ast.Call
    numbers: Numbers

    def number(self, position: int, keyword: str) -> int | None:
        """An argument as an integer, where the text says it."""
        for each in self.call.keywords:
            if each.arg == keyword:
                return whole_number(each.value, self.numbers)
        if position < len(self.call.args):
            return whole_number(self.call.args[position], self.numbers)
        return None

    def says(self, keyword: str) -> bool:
        """Whether the call has `keyword=True`."""
        return any(
            each.arg == keyword
            and isinstance(each.value, ast.Constant)
            and each.value.value is True
            for each in self.call.keywords
        )


@dataclass(frozen=True)
class ModuleClass:
    """A class of the snippet that derives from nn.Module."""

    name: str
    init: ast.FunctionDef | None
    forward: ast.FunctionDef | None


@dataclass
class Program:
    """A parsed snippet."""

    tree: ast.Module
    numbers: dict[str, int] = field(default_factory=dict)
    classes: dict[str, ModuleClass] = field(default_factory=dict)
    assigned: dict[str, ast.expr] = field(default_factory=dict)
    """The last value that a name is given at module level."""

    @classmethod
    def read(cls, tree: ast.Module) -> Program:
        """Collect the facts of `tree`."""
        program = cls(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(_is_module(base) for base in node.bases):
                methods = {
                    each.name: each for each in node.body if isinstance(each, ast.FunctionDef)
                }
                program.classes[node.name] = ModuleClass(
                    node.name, methods.get("__init__"), methods.get("forward")
                )
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                program._assign(node.targets[0], node.value)
        return program

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._assign(one, other)
        elif isinstance(target, ast.Name):
            self.assigned[target.id] = value
            number = whole_number(value, self.numbers)
            if number is not None:
                self.numbers[target.id] = number

    def layer(self, node: ast.expr, numbers: Numbers | None = None) -> Layer | None:
        """The module that an expression makes or names, seen through `.to(device)`."""
        known = self.numbers if numbers is None else numbers
        for _ in range(8):
            if isinstance(node, ast.Name) and node.id in self.assigned:
                node = self.assigned[node.id]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _UNWRAPPED
            ):
                node = node.func.value
            else:
                break
        if not isinstance(node, ast.Call):
            return None
        return Layer(last_name(node.func), node, known)

    def members(self, layer: Layer) -> dict[str, Layer]:
        """The layers that a class of the snippet makes in `__init__`, for one way of making it."""
        made = self.classes.get(layer.kind)
        if made is None or made.init is None:
            return {}
        numbers = {**self.numbers, **_arguments(made.init, layer)}
        found: dict[str, Layer] = {}
        for node in ast.walk(made.init):
            if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
                continue
            target = node.targets[0]
            number = whole_number(node.value, numbers)
            if isinstance(target, ast.Name) and number is not None:
                numbers[target.id] = number
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                if number is not None:
                    numbers[f"self.{target.attr}"] = number
                member = self.layer(node.value, numbers)
                if member is not None:
                    found[target.attr] = member
        return found


def _is_module(base: ast.expr) -> bool:
    return last_name(base) in {"Module", "LightningModule"}


def last_name(node: ast.expr) -> str:
    """`Linear` of `torch.nn.Linear`; empty for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def dotted(node: ast.expr) -> str:
    """`self.fc` of such an expression; empty for what is no dotted name."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def whole_number(node: ast.expr, numbers: Numbers) -> int | None:
    """The integer that an expression of constants and known names comes to; None for others."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int and abs(node.value) <= _MOST else None
    if isinstance(node, ast.Name | ast.Attribute):
        return numbers.get(dotted(node))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left, right = whole_number(node.left, numbers), whole_number(node.right, numbers)
        if left is None or right is None:
            return None
        if right == 0 and isinstance(node.op, ast.FloorDiv):
            return None
        value = _OPERATIONS[type(node.op)](left, right)
        return value if abs(value) <= _MOST else None
    return None


def _arguments(init: ast.FunctionDef, layer: Layer) -> dict[str, int]:
    """The integers that a constructor's parameters have, defaults included."""
    names = [each.arg for each in init.args.args][1:]
    given: dict[str, ast.expr] = {}
    if init.args.defaults:
        given.update(zip(names[-len(init.args.defaults) :], init.args.defaults, strict=False))
    given.update(zip(names, layer.call.args, strict=False))
    given.update({each.arg: each.value for each in layer.call.keywords if each.arg})
    return {
        name: number
        for name, value in given.items()
        if (number := whole_number(value, layer.numbers)) is not None
    }
