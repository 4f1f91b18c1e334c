"""Whether the code of a post runs under simulated CUDA: this host has no GPU to show its error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from knowledge.python_tree import parse_python

_PLACEMENT: Final = frozenset({"cuda-tensor-to-numpy", "device-mismatch", "generator-device"})
"""Entries whose errors only two devices can raise."""
_WITHOUT_GPU: Final = frozenset(
    {
        "backend-not-available",
        "cuda-not-available",
        "load-cuda-on-cpu",
        "mps-unsupported",
        "pin-memory",
    }
)
"""Entries whose errors come from a machine without a CUDA device: a simulated one hides them."""
_CUDA: Final = re.compile(r"cuda(:\d+)?")


def needs_simulation(slug: str | None, *codes: str) -> bool:
    """Whether these programs need a CUDA device, for an error that the entry `slug` explains."""
    if slug in _WITHOUT_GPU:
        return False
    return slug in _PLACEMENT or any(map(_asks_for_cuda, codes))


def _asks_for_cuda(code: str) -> bool:
    """Whether a program uses CUDA without asking first whether there is any."""
    try:
        return any(_uses(parse_python(code)))
    except (SyntaxError, ValueError, RecursionError):
        return False


def _uses(node: ast.AST) -> Iterator[bool]:
    if isinstance(node, ast.If | ast.IfExp) and "is_available" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Constant):
        yield isinstance(node.value, str) and _CUDA.fullmatch(node.value) is not None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield node.func.attr == "cuda"
    for child in ast.iter_child_nodes(node):
        yield from _uses(child)
