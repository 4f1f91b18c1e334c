"""The cells that wait armed for the next runs, and those that are being made for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable

from sandbox.protocol import Limits
from sandbox.run import Cell

_SHORT_RUN_S = 0.05


class Reserve:
    """Keeps `size` cells armed; with 0, only those that are put here.

    `make` makes one for `limits`, with a rehearsal if told that times are calm, and returns None
    when that failed; `discard` ends one. Several are made side by side, because half of the time
    that it takes is not a processor's: the kernel waits for the others to look away.
    """

    def __init__(
        self,
        size: int,
        limits: Limits,
        make: Callable[[bool], Awaitable[Cell | None]],
        discard: Callable[[Cell], asyncio.Task[None]],
    ) -> None:
        self._size, self._limits = size, limits
        self._make, self._discard = make, discard
        self._cells: deque[Cell] = deque()
        self._making: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Cell | None]] = deque()
        self._taken_at = 0.0
        self._calm = True
        """Whether the last cell was taken some time after the one before."""

    def __len__(self) -> int:
        return len(self._cells)

    def holds(self, limits: Limits) -> bool:
        """Whether a living cell with these walls waits."""
        return any(cell.ready and walls(cell.limits) == walls(limits) for cell in self._cells)

    def put(self, cell: Cell) -> None:
        """Let a cell wait."""
        self._cells.append(cell)

    async def take(self, limits: Limits) -> Cell | None:
        """A cell with these walls: one that waits, or the next one that is being made for nobody.

        None when there is neither.
        """
        before, self._taken_at = self._taken_at, time.monotonic()
        self._calm = self._taken_at - before > _SHORT_RUN_S
        while self._cells and walls(self._cells[0].limits) == walls(limits):
            cell = self._cells.popleft()
            if cell.ready:
                self._refill_after_taking()
                return cell
            self._discard(cell)
        if walls(limits) != walls(self._limits) or len(self._making) <= len(self._waiting):
            return None
        coming: asyncio.Future[Cell | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(coming)
        self.refill()
        try:
            return await coming
        except asyncio.CancelledError:
            if coming.cancelled():
                with contextlib.suppress(ValueError):  # passed over already
                    self._waiting.remove(coming)
            elif (nobodys := coming.result()) is not None:
                self.put(nobodys)
            raise

    def refill(self) -> None:
        """Begin to make what is missing, in the background."""
        missing = self._size - len(self._cells) - len(self._making) + len(self._waiting)
        at_once = (os.cpu_count() or 1) + 1 - len(self._making)
        for _ in range(min(missing, at_once)):
            self._making.add(asyncio.create_task(self._add()))

    def _refill_after_taking(self) -> None:
        """Leave the processors to a short run, unless cells are taken faster than that."""
        if self._cells and self._calm:
            asyncio.get_running_loop().call_later(_SHORT_RUN_S, self.refill)
        else:
            self.refill()

    async def _add(self) -> None:
        cell: Cell | None = None
        try:
            cell = await self._make(self._calm)
        finally:
            self._making = {task for task in self._making if task is not asyncio.current_task()}
            self._hand_over(cell)
        if cell is not None:
            self.refill()

    def _hand_over(self, cell: Cell | None) -> None:
        """Give a cell to the one who waits longest, who hears of a failure, too."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(cell)
                return
        if cell is not None:
            self.put(cell)

    async def clear(self) -> None:
        """End all cells that wait."""
        cells = tuple(self._cells)
        self._cells.clear()
        await asyncio.gather(*map(self._discard, cells))

    async def stop(self) -> None:
        """End the making, and all cells that wait."""
        making, self._making = self._making, set()
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        while self._waiting:
            self._hand_over(None)
        await self.clear()


def walls(limits: Limits) -> tuple[int, ...]:
    """The limits that are built into a cell when it is armed; the others are the pool's."""
    return limits.memory_mib, limits.scratch_mib, limits.processes, limits.threads
