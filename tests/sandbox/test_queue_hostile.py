"""A worker that a snippet broke into writes what it likes into Redis; the bot stays unharmed."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from queue_parts import RedisHere
from redis.asyncio import Redis

from sandbox import client
from sandbox.broker import (
    GROUP,
    STDOUT_AT_MOST,
    TASK,
    Answer,
    News,
    Order,
    RunBroker,
    answer,
    channel,
    signs,
    stream,
    wanted,
)
from sandbox.client import Queue
from sandbox.pool import Pool
from sandbox.protocol import Device, Limits, OutputFile, Result, Snippet, Status
from sandbox.runner import Progress, SandboxError
from sandbox.worker import Worker

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = Limits(output_bytes=1024)
GOOD = Answer(result=Result(status=Status.OK, stdout="told\n")).model_dump_json().encode()


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.file}",)


class Hostile:
    """Takes orders as a worker does; what it answers is the test's to say."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def take(self) -> tuple[bytes, Order]:
        """The next order, and its entry in the stream."""
        now = (await self.redis.time())[0]
        await self.redis.zadd(signs(Device.CPU), {"hostile": now})
        taken = await self.redis.xreadgroup(
            GROUP, "hostile", {stream(Device.CPU): ">"}, count=1, block=20_000
        )
        name, fields = taken[0][1][0]
        message = json.loads(fields[b"data"])
        assert message["task_name"] == TASK
        return name, Order.model_validate_json(message["args"][0])

    async def say(self, order: Order, said: bytes) -> None:
        """Anything at all on the channel of the order's client."""
        await self.redis.publish(channel(order.client), said)

    async def answer(self, order: Order, given: bytes) -> None:
        """Anything at all in the place of an answer."""
        await self.redis.set(answer(order.run), given)
        await self.say(order, News(run=order.run).model_dump_json().encode())


@pytest.fixture(autouse=True)
def _nothing_from_before(redis_here: RedisHere) -> None:
    with redis_here.asked() as asked:
        asked.flushall()


@asynccontextmanager
async def hostile_worker(here: RedisHere) -> AsyncIterator[Hostile]:
    async with Redis.from_url(here.url, protocol=2) as redis:
        await redis.xgroup_create(stream(Device.CPU), GROUP, id="0", mkstream=True)
        yield Hostile(redis)


async def given(here: RedisHere, what: bytes) -> Result:
    """The result of a run whose worker answers this."""
    async with hostile_worker(here) as worker, Queue(here.options(), limits=SMALL) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="1")))
        _, order = await worker.take()
        await worker.answer(order, what)
        return await run


async def test_a_pickle_in_the_place_of_a_result_is_never_unpickled(
    redis_here: RedisHere, tmp_path: Path
) -> None:
    file = tmp_path / "unpickled"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        result = await given(redis_here, pickle.dumps(Bomb(file), protocol))
        assert result.status is Status.INTERNAL and "protocol" in result.detail
        with redis_here.asked() as asked:
            asked.flushall()
    assert not file.exists()
    pickle.loads(pickle.dumps(Bomb(file)))  # so dangerous it was
    assert file.exists()


async def test_an_answer_too_large_is_not_read_to_its_end(redis_here: RedisHere) -> None:
    enough = 12 * SMALL.output_bytes + (2 * SMALL.files_mib + 16) * 1024 * 1024
    result = await given(redis_here, b'{"refusal": "' + b"x" * enough + b'"}')
    assert result.status is Status.INTERNAL and "larger than" in result.detail


@pytest.mark.parametrize(
    "more",
    [
        Result(status=Status.OK, stdout="x" * 10_000),
        Result(status=Status.OK, stderr="x" * 10_000),
        Result(
            status=Status.OK,
            files=(OutputFile(name="a", size=0, content_base64=""),) * (SMALL.files + 1),
        ),
        Result(
            status=Status.OK,
            files=(
                OutputFile(name="a", size=1, content_base64="A" * (SMALL.files_mib << 21) + "A"),
            ),
        ),
    ],
)
async def test_a_result_beyond_the_limits_of_its_run_is_not_believed(
    redis_here: RedisHere, more: Result
) -> None:
    result = await given(redis_here, Answer(result=more).model_dump_json().encode())
    assert result.status is Status.INTERNAL and "limits of the run" in result.detail


@pytest.mark.parametrize(
    "wrong",
    [
        b"null",
        b"{}",
        b"[]",
        b'"ok"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"result": {"status": "fine"}}',
        b'{"result": {"status": "ok", "stdout": ["a"]}}',
        b'{"result": {"status": "ok", "wall_s": "1"}}',
        b'{"result": {"status": "ok", "stdout": "\\ud800"}}',
        b'{"result": {"status": "ok", "py/object": "os.system"}}',
        b'{"result": {"status": "ok"}, "refusal": "", "error": {"exc_type": "Exit"}}',
        b'{"refusal": ""}',
        b'{"is_err": true, "error": {"exc_type": "system", "exc_module": "os", "exc_message": []}}',
        json.dumps({"refusal": "x" * 2000}).encode(),
    ],
)
async def test_an_answer_against_the_schema_ends_in_words(
    redis_here: RedisHere, wrong: bytes
) -> None:
    result = await given(redis_here, wrong)
    assert result.status is Status.INTERNAL and "protocol" in result.detail


async def test_a_key_of_another_type_ends_in_words(redis_here: RedisHere) -> None:
    async with hostile_worker(redis_here) as worker, Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="1")))
        _, order = await worker.take()
        await worker.redis.rpush(answer(order.run), "a", "list")
        await worker.say(order, News(run=order.run).model_dump_json().encode())
        with pytest.raises(SandboxError, match="WRONGTYPE"):
            await run


async def test_a_second_answer_changes_nothing(redis_here: RedisHere) -> None:
    async with hostile_worker(redis_here) as worker, Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="1")))
        _, order = await worker.take()
        await worker.answer(order, GOOD)
        first = await run
        await worker.answer(order, b"{}")
        second = asyncio.create_task(queue.run(Snippet(code="2")))
        _, order = await worker.take()
        await worker.answer(order, GOOD)
        assert first == await second == Result(status=Status.OK, stdout="told\n")


async def test_lies_on_the_channel_are_not_believed(redis_here: RedisHere) -> None:
    heard: list[Progress] = []
    async with hostile_worker(redis_here) as worker, Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="1"), watch=heard.append))
        _, order = await worker.take()
        long = json.dumps({"run": order.run, "stdout": "x" * (STDOUT_AT_MOST + 1)}).encode()
        done = News(run=order.run).model_dump_json().encode()
        other = News(run=uuid.uuid4().hex, stdout="of another run").model_dump_json().encode()
        for lie in (b"", b"\xff", b"[]", pickle.dumps(1), long, other, *[done] * 200):
            await worker.say(order, lie)
        flood = News(run=order.run, stdout="here").model_dump_json().encode()
        for _ in range(200):
            await worker.say(order, flood)
        await worker.answer(order, GOOD)
        assert (await run).status is Status.OK
    assert {progress.stdout for progress in heard} == {"here"}
    assert len(heard) < 200  # a front end edits a message for each


async def test_a_run_that_a_worker_throws_away_is_given_to_another(
    redis_here: RedisHere, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.1)
    async with hostile_worker(redis_here) as worker, Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="print('here all the same')")))
        name, _ = await worker.take()
        await worker.redis.xack(stream(Device.CPU), GROUP, name)
        await worker.redis.xdel(stream(Device.CPU), name)
        stopping = asyncio.Event()
        honest = Worker(pool, redis_here.options(), Device.CPU, at_once=1)
        serving = asyncio.create_task(honest.serve(stopping))
        assert (await run).stdout == "here all the same\n"
        stopping.set()
        await serving


async def test_a_run_that_workers_throw_away_again_and_again_ends_in_words(
    redis_here: RedisHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.1)
    async with hostile_worker(redis_here) as worker, Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="1")))

        async def throw_away() -> None:
            while True:
                name, order = await worker.take()
                await worker.redis.xack(stream(Device.CPU), GROUP, name)
                await worker.redis.delete(wanted(order.run))

        throwing = asyncio.create_task(throw_away())
        result = await run
        throwing.cancel()
        await asyncio.gather(throwing, return_exceptions=True)
    assert result.status is Status.INTERNAL and "submitted several times" in result.detail


async def test_a_run_that_a_worker_keeps_for_ever_ends_in_words(
    redis_here: RedisHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.1)
    monkeypatch.setattr(client, "_OVERDUE_S", 0.0)
    limits = Limits(wall_s=0.2)
    async with (
        hostile_worker(redis_here) as worker,
        Queue(redis_here.options(redeliver_s=0.5), limits=limits) as queue,
    ):
        run = asyncio.create_task(queue.run(Snippet(code="1")))
        await worker.take()
        result = await run
    assert result.status is Status.INTERNAL and "No worker has ended" in result.detail


async def test_orders_that_are_none_do_not_stop_a_worker(redis_here: RedisHere, pool: Pool) -> None:
    """Workers trust each other as little: all of them can write into the stream."""
    options = redis_here.options()
    broker = RunBroker(options, Device.CPU, "hostile")
    stopping = asyncio.Event()
    worker = Worker(pool, options, Device.CPU, at_once=1)
    serving = asyncio.create_task(worker.serve(stopping))
    message = {"task_id": "1", "task_name": TASK, "labels": {}, "args": [], "kwargs": {}}
    wrong = [
        b"",
        pickle.dumps(1),
        b"{}",
        json.dumps({**message, "task_name": "os:system", "args": ["true"]}).encode(),
        json.dumps(message).encode(),
        json.dumps({**message, "args": ["{}"]}).encode(),
        json.dumps({**message, "args": [{"run": 1}]}).encode(),
        json.dumps({**message, "labels": {"timeout": "soon", "ack_type": "never"}}).encode(),
    ]
    async with Queue(options) as queue:
        await broker.startup()
        for data in wrong:
            await broker.redis.xadd(stream(Device.CPU), {"data": data})
        await broker.redis.xadd(stream(Device.CPU), {"other": "field"})
        assert (await queue.run(Snippet(code="print('well')"))).stdout == "well\n"
    stopping.set()
    await serving
    await broker.shutdown()
