"""Completes a snippet that is not whole: usual imports, made-up inputs, stand-ins for data."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bot.made_up import BATCH, Guesser, Posted, Wanted
from bot.missing import undefined_names
from bot.program import Program
from bot.stand_ins import stand_in
from knowledge.python_tree import parse_python

_IMPORTS: Final = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "optim": "from torch import optim",
    "Tensor": "from torch import Tensor",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "math": "import math",
    "os": "import os",
    "random": "import random",
    "time": "import time",
    "copy": "import copy",
    "DataLoader": "from torch.utils.data import DataLoader",
    "Dataset": "from torch.utils.data import Dataset",
    "TensorDataset": "from torch.utils.data import TensorDataset",
    "random_split": "from torch.utils.data import random_split",
    "pad_sequence": "from torch.nn.utils.rnn import pad_sequence",
    "pack_padded_sequence": "from torch.nn.utils.rnn import pack_padded_sequence",
}
"""What learners leave out when they paste, and mean by these names."""
_USUAL: Final = {
    "device": 'torch.device("cuda" if torch.cuda.is_available() else "cpu")',
    "epochs": "2",
    "num_epochs": "2",
    "n_epochs": "2",
    "lr": "1e-3",
    "learning_rate": "1e-3",
    "batch_size": str(BATCH),
}
"""Settings whose value does not matter to an error."""


@dataclass(frozen=True)
class MadeUp:
    """Something that the learner did not post and that stands in for the real thing."""

    name: str
    text: str
    """`float32 [4, 784]`"""


@dataclass(frozen=True)
class Completed:
    """A snippet with what it lacked, and the list of that."""

    code: str
    imports: tuple[str, ...]
    """Lines that were added."""
    made_up: tuple[MadeUp, ...]
    missing: tuple[str, ...]
    """Names that nothing defines and nothing determines."""


def complete(
    code: str,
    *,
    slug: str | None = None,
    slots: Mapping[str, int | float | str] | None = None,
) -> Completed:
    """`code` with the usual imports, and inputs that its layers or the posted message determine.

    `slug` and `slots` are the entry of the posted error and the numbers of its message: a made-up
    input has the shape and dtype that failed. Code that does not parse comes back as it is.
    """
    try:
        standing_in = stand_in(code)
        tree = parse_python(standing_in.code)
    except (SyntaxError, ValueError, RecursionError):
        return Completed(code, (), (), ())
    code, made_up = standing_in.code, [MadeUp(*each) for each in standing_in.made_up]
    program = Program.read(tree)
    guesser = Guesser(program, Posted(slug, slots or {}))
    undefined = undefined_names(code)
    imports = [_IMPORTS[name] for name in undefined if name in _IMPORTS]
    additions: list[tuple[int, str]] = []
    missing: list[str] = []
    for name in undefined:
        if name in _IMPORTS:
            continue
        made = _made(name, program, guesser)
        if made is None:
            missing.append(name)
            continue
        expression, told = made
        made_up.append(MadeUp(name, told))
        additions.append((_first_use(tree, name), f"{name} = {expression}"))
    if any("torch." in line for _, line in additions) and not _imports_torch(tree):
        imports = list(dict.fromkeys((_IMPORTS["torch"], *imports)))
    imports.sort(key=list(_IMPORTS.values()).index)
    additions = [(_after_futures(tree), line) for line in imports] + additions
    return Completed(_inserted(code, additions), tuple(imports), tuple(made_up), tuple(missing))


def _made(name: str, program: Program, guesser: Guesser) -> tuple[str, str] | None:
    """Python that makes a value for an undefined name, and how to tell of it."""
    if name in _USUAL:
        return _USUAL[name], _USUAL[name]
    wanted = guesser.used_as(name)
    if wanted is not None:
        return wanted.expression(), str(wanted)
    batch = _batch_of_loader(name, program.tree)
    if batch:
        parts = [guesser.used_as(each) for each in batch]
        known = [each for each in parts if each is not None]
        if len(known) == len(parts):
            return _loader(known), "DataLoader: " + ", ".join(map(str, known))
    if name in {"optimizer", "opt"} and "model" in program.assigned:
        return "torch.optim.SGD(model.parameters(), lr=0.01)", "SGD, lr=0.01"
    return None


def _loader(parts: list[Wanted]) -> str:
    tensors = ", ".join(part.expression() for part in parts)
    dataset = f"torch.utils.data.TensorDataset({tensors})"
    return f"torch.utils.data.DataLoader({dataset}, batch_size={BATCH})"


def _batch_of_loader(name: str, tree: ast.Module) -> tuple[str, ...]:
    """The names that a loop over `name` gives to the parts of a batch."""
    for target, source in _draws(tree):
        inner = source
        counted = False
        while isinstance(inner, ast.Call) and inner.args:
            counted = counted or (isinstance(inner.func, ast.Name) and inner.func.id == "enumerate")
            inner = inner.args[0]
        if not (isinstance(inner, ast.Name) and inner.id == name):
            continue
        if counted and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            target = target.elts[1]
        parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        return tuple(part.id for part in parts if isinstance(part, ast.Name))
    return ()


def _draws(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Where batches come from a loader: (what they are called, what they come from)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            yield node.target, node.iter
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            func = node.value.func
            if isinstance(func, ast.Name) and func.id == "next":
                yield node.targets[0], node.value


def _first_use(tree: ast.Module, name: str) -> int:
    """The line of the first top-level statement that uses `name`, from 1."""
    for statement in tree.body:
        if any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(statement)):
            decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
            return min([statement.lineno, *(each.lineno for each in decorators)])
    return 1


def _after_futures(tree: ast.Module) -> int:
    """The line where imports can be added: after a docstring and `from __future__` lines."""
    line = 1
    for statement in tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not (docstring or future):
            break
        line = (statement.end_lineno or statement.lineno) + 1
    return line


def _imports_torch(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Import)
        and any(each.name.split(".")[0] == "torch" and not each.asname for each in node.names)
        for node in tree.body
    )


def _inserted(code: str, additions: list[tuple[int, str]]) -> str:
    """`code` with lines put before the lines of these numbers."""
    if not additions:
        return code
    lines: list[str] = []
    for number, line in enumerate([*code.splitlines(), ""], 1):
        lines += [added for place, added in additions if place == number]
        lines.append(line)
    return "\n".join(lines)
