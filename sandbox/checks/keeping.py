"""What is kept: losses with their whole graph, and tensors that nobody filled."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from typing import Any

import torch

from sandbox import reading
from sandbox.checks import source
from sandbox.checks.notebook import Notebook, calm, frames, line
from sandbox.protocol import Check

_BACKWARDS_AT_MOST = 60
_GROWTH = 3
"""Times in a row that something has grown from one step to the next."""
_CHAIN_AT_MOST = 200
_VALUES_AT_MOST = 500
_PEEKS = frozenset({"locals", "vars", "eval", "exec", "dir"})
"""Who uses these may hold the dictionary of a frame's names."""
_UNFILLED_AT_MOST = 64
_NUMBERS_AT_MOST = 100_000
_Path = tuple[str, ...]


@dataclass
class _Growth:
    """A list or a sum, as it was at the last backward."""

    size: int
    first: weakref.ref[torch.Tensor] | None = None
    times: int = 0

    def add(self, size: int) -> None:
        """Note its size of now."""
        self.times += size > self.size
        self.size = size


class Keeping:
    """Looks at the learner's own variables at each backward."""

    def __init__(self, book: Notebook) -> None:
        self._book = book
        self._backwards = 0
        self._grown: dict[tuple[int, _Path], _Growth] = {}
        self._unfilled: list[tuple[torch.Tensor, bytes, int, int | None]] = []

    # --- Events -----------------------------------------------------------------------------------

    def backward(self, *_: Any) -> None:
        """A loss is sent backward."""
        self._backwards += 1
        if self._backwards > _BACKWARDS_AT_MOST or not calm():
            return
        here = line()
        for place, path, value in _variables():
            if type(value) in (list, deque):
                self._look_at_list(place, path, value, here)
            elif type(value) is torch.Tensor:
                self._look_at_sum(place, path, value, here)

    def sized(self, tensor: torch.Tensor, count: int, here: int) -> None:
        """torch.Tensor(count) was called: the numbers are whatever was there."""
        if count < 1 or count > _NUMBERS_AT_MOST or len(self._unfilled) >= _UNFILLED_AT_MOST:
            return
        with torch.no_grad():
            other = tensor.detach()
            self._unfilled.append((other, bytes(other.numpy().tobytes()), count, here))

    def finish(self) -> None:
        """The snippet has ended."""
        with torch.no_grad():
            for tensor, before, count, here in self._unfilled:
                # Unchanged numbers alone do not prove it: zeros may have been written over zeros.
                if tensor._version == 0 and tensor.numpy().tobytes() == before:
                    self._book.report(Check.TENSOR_OF_A_SIZE, here, n=count, shape=f"[{count}]")

    # --- Looking ----------------------------------------------------------------------------------

    def _look_at_list(self, place: int, path: _Path, value: Any, here: int | None) -> None:
        if not value or not _has_graph(value[-1]):
            return
        first = value[0]
        if type(first) is not torch.Tensor:
            return
        growth = self._grown.get((place, path))
        known = growth.first() if growth is not None and growth.first is not None else None
        if growth is None or known is not first or len(value) < growth.size:
            growth = self._grown[place, path] = _Growth(len(value), weakref.ref(first))
        growth.add(len(value))
        if growth.times >= _GROWTH and all(_has_graph(each) for each in list(value)[:2]):
            self._book.report(
                Check.GRAPH_KEPT,
                source.line_of_append(self._book.tree, path) or here,
                kept=path[-1],
                losses=len(value),
            )

    def _look_at_sum(self, place: int, path: _Path, value: torch.Tensor, here: int | None) -> None:
        if not _has_graph(value) or value.numel() != 1:
            return
        token = f"tutor:{place}:{path}"
        length, continued = _chain(value, token)
        growth = self._grown.get((place, path))
        if growth is None or not continued:
            growth = self._grown[place, path] = _Growth(length)
        growth.add(length)
        if growth.times >= _GROWTH:
            self._book.report(
                Check.GRAPH_KEPT,
                source.line_of_sum(self._book.tree, path) or here,
                kept=path[-1],
                sums=length,
            )


def _variables() -> Iterator[tuple[int, _Path, Any]]:
    """What the learner's running code can name: its frame, the way to it, the value."""
    left = _VALUES_AT_MOST
    for frame in frames():
        optimized = bool(frame.f_code.co_flags & CO_OPTIMIZED)
        if optimized and _PEEKS.intersection(frame.f_code.co_names):
            continue
        names = frame.f_locals
        for name, value in list(names.items()):
            if name.startswith("__"):
                continue
            for path, found in _reach((name,), value):
                left -= 1
                if left < 0:
                    return
                yield id(frame.f_code), path, found
        if optimized:
            # A copy, which would keep alive what the function lets go.
            names.clear()


def _reach(path: _Path, value: Any, depth: int = 0) -> Iterator[tuple[_Path, Any]]:
    if type(value) in (list, deque, torch.Tensor):
        yield path, value
    elif depth < 2 and isinstance(value, dict):
        for key, each in list(dict.items(value)):
            if type(key) is str:
                yield from _reach((*path, key), each, depth + 1)
    elif depth < 2 and getattr(type(value), "__module__", "") == "__main__":
        for key, each in list(reading.own(value).items()):
            yield from _reach((*path, key), each, depth + 1)


def _has_graph(value: Any) -> bool:
    return type(value) is torch.Tensor and value.grad_fn is not None


def _chain(value: torch.Tensor, token: str) -> tuple[int, bool]:
    """How many sums in a row have made `value`, and whether it was among them the last time.

    The sum is marked for the next time in the metadata of its node: no reference keeps it alive.
    """
    # Typed as a method in torch's stubs; it is a dictionary.
    top: Any = value.grad_fn
    node, length, continued = top, 0, False
    while node is not None and length < _CHAIN_AT_MOST:
        continued = continued or token in node.metadata
        if node.name() != "AddBackward0":
            break
        length += 1
        below = [each for each, _ in node.next_functions if each is not None]
        node = next((each for each in below if each.name() == "AddBackward0"), None)
    if top is not None:
        top.metadata[token] = True
    return length, continued
