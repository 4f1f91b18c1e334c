"""How much memory a training step needs, estimated for a post whose memory ran out.

What the message itself says is taken from its numbers. What the code needs is measured: one
training step at two small batch sizes, on the CPU in the sandbox, gives what is fixed and what each
sample adds; a straight line through both tells the rest.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, ValidationError

from knowledge.python_tree import parse_python
from sandbox.protocol import Frozen, Result

ENTRIES: Final = frozenset({"cpu-out-of-memory", "cuda-out-of-memory"})
"""The entries of posts that an estimate helps."""
SIZES: Final = (2, 4)
"""The batch sizes that are measured: batch normalisation refuses to train on 1."""
_USABLE: Final = 0.9
"""The part of a GPU that a program gets: CUDA itself and gaps between tensors take the rest."""
_UNITS: Final = {"bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_HELD: Final = re.compile(
    r"([\d.]+) (KiB|MiB|GiB) (?:is allocated by PyTorch|already allocated)", re.IGNORECASE
)
_AMOUNT: Final = re.compile(r"([\d.]+)\s*(bytes|B|KiB|MiB|GiB|TiB)")
_NAMES: Final = frozenset({"batch_size", "BATCH_SIZE", "bs", "batch"})
_FILE: Final = "step-memory.json"
_Bytes = Annotated[int, Field(ge=0, le=1 << 60)]


class _Measured(Frozen):
    """What one step used, in bytes, as the snippet's own process told it."""

    fixed: _Bytes
    saved: _Bytes


@dataclass(frozen=True)
class Step:
    """The memory of one training step, in bytes, as a straight line over the batch size."""

    fixed: int
    """Weights, gradients and the optimizer's state, and what does not grow with the batch."""
    each: int
    """What one more sample adds: results that are kept until `backward()`."""
    batch: int
    """The batch size of the post."""

    def needs(self, batch: int) -> int:
        """The estimated bytes of a step with this batch size."""
        return self.fixed + self.each * batch

    def fits(self, room: int) -> int:
        """The largest batch size that is estimated to fit into `room` bytes; 0 for none."""
        return max(0, (room - self.fixed) // self.each)


@dataclass(frozen=True)
class Estimate:
    """What is known about the memory of a post, in bytes; None for what it does not tell."""

    asked: int | None = None
    """What was to be allocated when it failed."""
    free: int | None = None
    total: int | None = None
    held: int | None = None
    """What PyTorch held already."""
    step: Step | None = None

    @property
    def room(self) -> int | None:
        """What a program can use of the device."""
        return None if self.total is None else int(self.total * _USABLE)


def from_message(slots: Mapping[str, int | float | str], text: str) -> Estimate:
    """What the message of an out-of-memory error tells, by the slots of its entry and its text."""
    held = _HELD.search(text)
    asked = _amount(slots, "size", "unit")
    if asked is None and isinstance(slots.get("bytes"), int):
        asked = int(slots["bytes"])
    if asked is None and (amount := _AMOUNT.search(str(slots.get("amount", "")))):
        asked = _bytes(amount[1], amount[2])
    return Estimate(
        asked=asked,
        free=_amount(slots, "free", "free_unit"),
        total=_amount(slots, "total", "total_unit"),
        held=_bytes(held[1], held[2]) if held else None,
    )


def _amount(slots: Mapping[str, int | float | str], number: str, unit: str) -> int | None:
    if number not in slots or unit not in slots:
        return None
    return _bytes(str(slots[number]), str(slots[unit]))


def _bytes(number: str, unit: str) -> int | None:
    known = next((size for name, size in _UNITS.items() if name.lower() == unit.lower()), None)
    try:
        return None if known is None else int(float(number) * known)
    except (ValueError, OverflowError):
        return None


def shown(size: int) -> str:
    """A number of bytes as torch's own messages write it: `1.50 GiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.2f} {unit}"
    return f"{size} bytes"


# --- One step, measured ---------------------------------------------------------------------------

_PROBE: Final = f"""
def _tutor_measure():
    import json, torch
    from torch.optim.optimizer import register_optimizer_step_post_hook
    events = []
    def place(tensor):
        return tensor.untyped_storage().data_ptr()
    def size(tensor):
        return tensor.untyped_storage().nbytes()
    def pack(tensor):
        events.append((True, place(tensor), size(tensor)))
        return tensor
    def unpack(tensor):
        events.append((False, place(tensor), size(tensor)))
        return tensor
    def peak(apart):
        kept, now, most = set(), 0, 0
        for saving, where, size in events:
            if where in apart:
                continue
            if saving and where not in kept:
                kept.add(where)
                now += size
            most = max(most, now if saving else now + 2 * size)
            if not saving and where in kept:
                kept.remove(where)
                now -= size
        return most
    def told(optimizer, *_):
        weights = [each for group in optimizer.param_groups for each in group["params"]]
        grads = [each.grad for each in weights if each.grad is not None]
        state = [
            value for kept in optimizer.state.values() for value in kept.values()
            if isinstance(value, torch.Tensor)
        ]
        fixed = sum(map(size, [*weights, *grads, *state]))
        with open({_FILE!r}, "w") as file:
            json.dump({{"fixed": fixed, "saved": peak(set(map(place, weights)))}}, file)
        raise SystemExit(0)
    torch.autograd.graph.saved_tensors_hooks(pack, unpack).__enter__()
    register_optimizer_step_post_hook(told)
_tutor_measure()
"""
"""Ends the program after its first optimizer step, and leaves a file that tells what it used.

While the backward pass is at an operation, the gradients before and behind it are there too: about
twice what it saved. Weights are counted apart, since they do not grow with the batch.
"""


async def measured(code: str, run: Callable[[str], Awaitable[Result]]) -> Step | None:
    """One training step of `code`, measured at two batch sizes; `run` runs a program.

    None where its batch size is not written as a number, or where it takes no step in time.
    """
    found = []
    for size in SIZES:
        changed = with_batch_size(code, size)
        if changed is None:
            return None
        program, posted = changed
        result = await run(_PROBE + program)
        one = _told(result)
        if one is None:
            return None
        found.append(one)
    small, large = found
    each = (large.saved - small.saved) // (SIZES[1] - SIZES[0])
    if each <= 0:
        return None
    constant = max(0, small.saved - each * SIZES[0])
    return Step(fixed=large.fixed + constant, each=each, batch=posted)


def _told(result: Result) -> _Measured | None:
    for file in result.files:
        if file.name == _FILE:
            try:
                return _Measured(**json.loads(base64.b64decode(file.content_base64)))
            except (ValueError, TypeError, ValidationError, binascii.Error, RecursionError):
                return None
    return None


def with_batch_size(code: str, size: int) -> tuple[str, int] | None:
    """`code` with every batch size that it writes as a number set to `size`, and the largest.

    Batch sizes are `batch_size = N` and `DataLoader(…, batch_size=N)`. None without any.
    """
    try:
        tree = parse_python(code)
    except (SyntaxError, ValueError, RecursionError):
        return None
    numbers = [node for each in ast.walk(tree) if (node := _written_size(each)) is not None]
    if not numbers:
        return None
    lines = [line.encode() for line in code.splitlines()]
    for node in sorted(numbers, key=lambda each: (each.lineno, -each.col_offset)):
        line = lines[node.lineno - 1]
        lines[node.lineno - 1] = (
            line[: node.col_offset] + str(size).encode() + line[node.end_col_offset :]
        )
    return b"\n".join(lines).decode(), max(int(str(node.value)) for node in numbers)


def _written_size(node: ast.AST) -> ast.Constant | None:
    value: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        value = node.value if isinstance(target, ast.Name) and target.id in _NAMES else None
    elif isinstance(node, ast.keyword) and node.arg == "batch_size":
        value = node.value
    if isinstance(value, ast.Constant) and type(value.value) is int and value.value > 0:
        return value
    return None
