"""Workers and Redis die while runs wait and run: each accepted run ends in exactly one result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from queue_parts import RedisHere, Workers

from sandbox.broker import GROUP, stream
from sandbox.client import Queue
from sandbox.protocol import Device, Limits, Result, Snippet, Status

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = stream(Device.CPU)
LIMITS = Limits(wall_s=60.0)


@pytest_asyncio.fixture(loop_scope="session")
async def queue(redis_here: RedisHere) -> AsyncIterator[Queue]:
    with redis_here.asked() as asked:
        asked.delete(*asked.keys("tutor:run:*"), "none")
    async with Queue(redis_here.options(), limits=LIMITS) as started:
        yield started


def submit(queue: Queue, code: str) -> asyncio.Task[Result]:
    return asyncio.create_task(queue.run(Snippet(code=code)))


async def until(holds: Callable[[], Any]) -> Any:
    for _ in range(1200):
        if found := holds():
            return found
        await asyncio.sleep(0.05)
    pytest.fail("what was waited for did not come")


def holder(redis: RedisHere) -> int | None:
    """The process id of a worker that has an order; the name of a worker holds it."""
    with redis.asked() as asked:
        taken = asked.xpending_range(ORDERS, GROUP, "-", "+", 1)
    return int(taken[0]["consumer"].split(b":")[1]) if taken else None


def begun(redis: RedisHere) -> int:
    """How many workers have begun the one run that is there."""
    with redis.asked() as asked:
        return sum(asked.scard(key) for key in asked.keys("tutor:run:*:deliveries"))


def orders(redis: RedisHere) -> int:
    with redis.asked() as asked:
        return asked.xlen(ORDERS)


async def test_five_hundred_waiting_runs_all_end_exactly_once(
    redis_here: RedisHere, workers: Workers, queue: Queue
) -> None:
    await asyncio.to_thread(workers.fill, 2)
    results = await asyncio.gather(
        *(queue.run(Snippet(code=f"print({number})")) for number in range(500))
    )
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(500)]
    await until(lambda: orders(redis_here) == 0)


async def test_the_run_of_a_killed_worker_ends_on_another(
    redis_here: RedisHere, workers: Workers, queue: Queue
) -> None:
    await asyncio.to_thread(workers.fill, 2)
    run = submit(queue, "import time\ntime.sleep(1)\nprint('survived')")
    first = await until(lambda: holder(redis_here))
    workers.kill(first)
    second = await until(lambda: (now := holder(redis_here)) != first and now)
    assert second != first
    result = await run
    assert (result.status, result.stdout) == (Status.OK, "survived\n")
    await until(lambda: orders(redis_here) == 0)


async def test_a_run_that_ends_two_workers_fails_in_words(
    redis_here: RedisHere, workers: Workers, queue: Queue
) -> None:
    await asyncio.to_thread(workers.fill, 3)
    run = submit(queue, "import time\ntime.sleep(50)")
    for times in (1, 2):
        await until(lambda times=times: begun(redis_here) == times)
        workers.kill(holder(redis_here))
    result = await run
    assert result.status is Status.INTERNAL
    assert "2 workers" in result.detail and "not tried again" in result.detail
    await until(lambda: orders(redis_here) == 0)


@pytest.mark.parametrize("comes_back", ["with everything", "empty"])
async def test_a_redis_that_restarts_loses_no_run(
    redis_here: RedisHere, workers: Workers, queue: Queue, comes_back: str
) -> None:
    await asyncio.to_thread(workers.fill, 2)
    code = "import time\ntime.sleep(0.5)\nprint({})"
    runs = [submit(queue, code.format(number)) for number in range(8)]
    await until(lambda: orders(redis_here) < 8)
    redis_here.stop()
    late = submit(queue, "print('accepted while it was away')")
    await asyncio.sleep(1)
    if comes_back == "empty":
        redis_here.lose_everything()
    await asyncio.to_thread(redis_here.start)
    results = await asyncio.gather(*runs)
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(8)]
    assert (await late).stdout == "accepted while it was away\n"
    await until(lambda: orders(redis_here) == 0)


async def test_cancelling_ends_the_run_on_the_worker(
    redis_here: RedisHere, workers: Workers, queue: Queue
) -> None:
    await asyncio.to_thread(workers.fill, 2)
    runs = [submit(queue, "import time\ntime.sleep(50)") for _ in range(2)]
    with redis_here.asked() as asked:
        await until(lambda: len(asked.xpending_range(ORDERS, GROUP, "-", "+", 5)) == 2)
    for run in runs:
        run.cancel()
    # Both workers are free again, each of which does one run at a time.
    results = await asyncio.gather(*(queue.run(Snippet(code="print(1)")) for _ in range(2)))
    assert [result.status for result in results] == [Status.OK] * 2
    assert all(run.cancelled() for run in runs)
    await until(lambda: orders(redis_here) == 0)


async def test_a_worker_told_to_stop_hands_its_run_back(
    redis_here: RedisHere, workers: Workers, queue: Queue
) -> None:
    await asyncio.to_thread(workers.fill, 2)
    run = submit(queue, "import time\ntime.sleep(12)\nprint('elsewhere')")
    first = await until(lambda: holder(redis_here))
    log = await asyncio.to_thread(workers.stop, first)
    assert "Handed a run back" in log and "has stopped" in log
    second = await until(lambda: holder(redis_here))
    assert second != first
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await until(lambda: orders(redis_here) == 0)
