"""Who gets which cell, and what becomes of those that nobody takes."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from sandbox.protocol import Limits
from sandbox.reserve import Reserve
from sandbox.run import Cell

LIMITS = Limits()


class Workshop:
    """Makes cells that are only names, when the test says so."""

    def __init__(self, size: int) -> None:
        self.reserve = Reserve(size, LIMITS, self.make, self.discard)
        self.begun = 0
        self.discarded: list[Cell] = []
        self.orders: list[asyncio.Future[Cell | None]] = []

    async def make(self, calm: bool) -> Cell | None:
        self.begun += 1
        order: asyncio.Future[Cell | None] = asyncio.get_running_loop().create_future()
        self.orders.append(order)
        return await order

    def discard(self, cell: Cell) -> asyncio.Task[None]:
        self.discarded.append(cell)
        return asyncio.create_task(asyncio.sleep(0))

    async def finish(self, *, well: bool = True) -> Cell | None:
        """Let the oldest one in the making be ready, or fail."""
        await soon()
        order = next(order for order in self.orders if not order.done())
        order.set_result(cast("Cell", Armed()) if well else None)
        return order.result()


class Armed:
    ready, limits = True, LIMITS


async def soon() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def workshop() -> Workshop:
    return Workshop(size=1)


async def test_who_finds_none_armed_takes_the_next_that_is_made_for_nobody(
    workshop: Workshop,
) -> None:
    workshop.reserve.refill()
    first = asyncio.create_task(workshop.reserve.take(LIMITS))
    await soon()
    made = await workshop.finish()

    assert await first is made
    await soon()
    assert workshop.begun == 2 and len(workshop.reserve) == 0
    made = await workshop.finish()
    await soon()
    assert len(workshop.reserve) == 1 and await workshop.reserve.take(LIMITS) is made
    await workshop.reserve.stop()


async def test_who_needs_other_walls_or_comes_when_none_is_made_makes_one(
    workshop: Workshop,
) -> None:
    assert await workshop.reserve.take(LIMITS) is None
    workshop.reserve.refill()
    await soon()
    other = LIMITS.model_copy(update={"threads": LIMITS.threads + 1})
    assert await workshop.reserve.take(other) is None
    await workshop.reserve.stop()


async def test_those_who_wait_are_served_in_turn(workshop: Workshop) -> None:
    workshop = Workshop(size=2)
    workshop.reserve.refill()
    waiting = [asyncio.create_task(workshop.reserve.take(LIMITS)) for _ in range(2)]
    await soon()
    made = [await workshop.finish() for _ in range(2)]

    assert [await one for one in waiting] == made
    await workshop.reserve.stop()


@pytest.mark.parametrize("when", ["before", "in that moment"])
async def test_a_cell_for_one_who_gave_up_waits_for_another(workshop: Workshop, when: str) -> None:
    workshop.reserve.refill()
    gave_up = asyncio.create_task(workshop.reserve.take(LIMITS))
    await soon()
    if when == "before":
        gave_up.cancel()
        await soon()
    made = await workshop.finish()
    # The cell is handed over in the next step of the loop, before which nobody can give up.
    while when != "before" and not gave_up.done():
        if not workshop.reserve._waiting:
            gave_up.cancel()
        await asyncio.sleep(0)
    await soon()

    assert gave_up.cancelled()
    assert await workshop.reserve.take(LIMITS) is made
    await workshop.reserve.stop()


async def test_a_failure_is_told_to_one_who_waits_and_not_repeated(workshop: Workshop) -> None:
    workshop.reserve.refill()
    waiting = asyncio.create_task(workshop.reserve.take(LIMITS))
    await soon()
    assert workshop.begun == 2  # one for the one who waits, one for the reserve
    await workshop.finish(well=False)
    assert await waiting is None
    await workshop.finish(well=False)
    await soon()

    assert workshop.begun == 2
    await workshop.reserve.stop()


async def test_the_end_leaves_nobody_waiting_and_no_cell(workshop: Workshop) -> None:
    workshop.reserve.refill()
    await soon()
    made = await workshop.finish()
    await soon()
    held = await workshop.reserve.take(LIMITS)
    assert held is made
    await soon()
    waiting = asyncio.create_task(workshop.reserve.take(LIMITS))
    await soon()
    workshop.reserve.put(cast("Cell", Armed()))
    await workshop.reserve.stop()

    assert await waiting is None
    assert len(workshop.discarded) == 1 and len(workshop.reserve) == 0
    assert workshop.begun == 3 and all(order.done() for order in workshop.orders)
