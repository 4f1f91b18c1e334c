"""Small synthetic data in the place of data sets and files that a snippet cannot reach."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import libcst as cst

_SAMPLES: Final = 64
_DATASETS: Final = {
    "MNIST": (1, 28, 10),
    "FashionMNIST": (1, 28, 10),
    "KMNIST": (1, 28, 10),
    "QMNIST": (1, 28, 10),
    "CIFAR10": (3, 32, 10),
    "CIFAR100": (3, 32, 100),
    "SVHN": (3, 32, 10),
    "STL10": (3, 96, 10),
    "ImageFolder": (3, 64, 2),
    "FakeData": (3, 224, 10),
}
"""torchvision's data set -> channels, side, classes."""


@dataclass(frozen=True)
class StandIn:
    """A snippet whose data sets are made up, and what was: (name, in words)."""

    code: str
    made_up: tuple[tuple[str, str], ...]


def stand_in(code: str) -> StandIn:
    """Replace torchvision's data sets by random tensors of their form, where it is not installed.

    The imports of torchvision go only when nothing else of it is used. Raises SyntaxError.
    """
    if "torchvision" not in code or find_spec("torchvision") is not None:
        return StandIn(code, ())
    try:
        module = cst.parse_module(code)
    except cst.ParserSyntaxError as error:
        raise SyntaxError(str(error)) from None
    swap = _Swap()
    changed = module.visit(swap)
    if not swap.made_up:
        return StandIn(code, ())
    cleaned = changed.visit(_DropImports())
    return StandIn(cleaned.code, tuple(dict.fromkeys(swap.made_up)))


class _Swap(cst.CSTTransformer):
    """Data sets become tensors; compositions of transforms, which prepared them, become None."""

    def __init__(self) -> None:
        self.made_up: list[tuple[str, str]] = []

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        name = _last(updated_node.func)
        if name in _DATASETS:
            channels, side, classes = _DATASETS[name]
            images = f"torch.rand({_SAMPLES}, {channels}, {side}, {side})"
            labels = f"torch.randint(0, {classes}, ({_SAMPLES},))"
            told = f"{_SAMPLES} × float32 {[channels, side, side]}, {classes} classes"
            self.made_up.append((name, told))
            return cst.parse_expression(f"torch.utils.data.TensorDataset({images}, {labels})")
        if name == "Compose":
            return cst.Name("None")
        return updated_node


class _DropImports(cst.CSTTransformer):
    """Takes the imports of torchvision away; the data sets need `import torch` instead."""

    def __init__(self) -> None:
        self._added = False

    def leave_Import(
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import | cst.RemovalSentinel:
        kept = [each for each in updated_node.names if _root(each.name) != "torchvision"]
        if not kept:
            return cst.RemoveFromParent()
        if len(kept) == len(updated_node.names):
            return updated_node
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(names=kept)

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        module = updated_node.module
        if module is not None and _root(module) == "torchvision":
            return cst.RemoveFromParent()
        return updated_node


def _last(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _root(node: cst.BaseExpression) -> str:
    while isinstance(node, cst.Attribute):
        node = node.value
    return node.value if isinstance(node, cst.Name) else ""
