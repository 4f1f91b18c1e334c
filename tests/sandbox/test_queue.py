"""Runs over a real Redis, to workers in this process."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from queue_parts import ROOT, RedisHere
from redis import Redis
from redis.exceptions import NoPermissionError
from taskiq.kicker import AsyncKicker

from sandbox import client
from sandbox.broker import TASK, Order, RunBroker, answer, deliveries, stream, wanted
from sandbox.client import Queue
from sandbox.options import BrokerOptions
from sandbox.pool import Pool
from sandbox.protocol import Device, Limits, Result, Snippet, Status
from sandbox.runner import DeviceUnavailable, Progress, Runner, SandboxError, Watch
from sandbox.worker import Worker

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Held:
    """A runner whose runs end when the test says so, and which counts them."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        self.open = asyncio.Event()

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        self.begun[snippet.code] += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cut[snippet.code] += 1
            raise
        self.ended[snippet.code] += 1
        return Result(status=Status.OK, stdout=snippet.code)


class Spoilt:
    """A runner that cannot run anything."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        raise self.problem


@asynccontextmanager
async def working(
    runner: Runner,
    options: BrokerOptions,
    device: Device = Device.CPU,
    at_once: int = 2,
    grace_s: float = 5.0,
) -> AsyncIterator[asyncio.Event]:
    """A worker that takes orders while in here; it is told to stop by the event."""
    stopping = asyncio.Event()
    worker = Worker(runner, options, device, at_once=at_once, grace_s=grace_s)
    serving = asyncio.create_task(worker.serve(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        await serving


@pytest.fixture(autouse=True)
def _nothing_from_before(redis_here: RedisHere) -> None:
    with redis_here.asked() as asked:
        asked.flushall()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1500):
        if holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail("what was waited for did not come")


def left_in(redis: RedisHere) -> set[str]:
    with redis.asked() as asked:
        return {key.decode() for key in asked.keys("tutor:run:*")}


def orders_in(redis: RedisHere) -> int:
    with redis.asked() as asked:
        return asked.xlen(stream(Device.CPU))


async def test_a_run_over_the_queue_ends_as_it_does_in_this_process(
    redis_here: RedisHere, pool: Pool
) -> None:
    code = """\
open('a.txt', 'w').write('kept')
print('は' * 3)
import torch
torch.ones(2) @ torch.ones(3)
"""
    there = await pool.run(Snippet(code=code, watch=(1, 9)))
    async with working(pool, redis_here.options()), Queue(redis_here.options()) as queue:
        result = await queue.run(Snippet(code=code, watch=(1, 9)))
    varying = {"wall_s": 0.0, "cpu_s": 0.0, "peak_mib": 0.0}
    assert result.model_copy(update=varying) == there.model_copy(update=varying)
    assert result.exception is not None and result.files[0].name == "a.txt"


async def test_what_a_run_prints_is_heard_while_it_goes_on(
    redis_here: RedisHere, pool: Pool
) -> None:
    heard: list[Progress] = []
    said = asyncio.Event()

    def watch(progress: Progress) -> None:
        heard.append(progress)
        said.set()

    code = "print('first', flush=True)\nimport time\ntime.sleep(60)"
    async with working(pool, redis_here.options()), Queue(redis_here.options()) as queue:
        run = asyncio.create_task(
            queue.run(Snippet(code=code), Limits(wall_s=60, memory_mib=512), watch=watch)
        )
        async with asyncio.timeout(30):
            await said.wait()
        assert not run.done()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await until(lambda: orders_in(redis_here) == 0)
    assert heard[0] == Progress(0, running=True, stdout="first\n")


async def test_nothing_of_a_finished_run_stays_in_redis(redis_here: RedisHere, pool: Pool) -> None:
    async with working(pool, redis_here.options()):
        async with Queue(redis_here.options()) as queue:
            await asyncio.gather(*(queue.run(Snippet(code=f"print({n})")) for n in range(5)))
        await until(lambda: orders_in(redis_here) == 0)
    assert left_in(redis_here) == set()


async def test_redis_may_be_a_socket_in_a_folder(redis_here: RedisHere, pool: Pool) -> None:
    options = replace(redis_here.options(), url=redis_here.file_url)
    async with Queue(options) as queue, working(pool, options):
        result = await queue.run(Snippet(code="print(6 * 7)"))

    assert (result.status, result.stdout) == (Status.OK, "42\n")
    assert options.place.endswith("redis.sock")


async def test_an_order_waits_for_the_first_worker(redis_here: RedisHere, pool: Pool) -> None:
    async with Queue(redis_here.options()) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="print('late')")))
        await until(lambda: orders_in(redis_here) == 1)
        async with working(pool, redis_here.options()):
            assert (await run).stdout == "late\n"


async def test_without_any_worker_a_run_fails_in_words(
    redis_here: RedisHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOOK_S", 0.1)
    async with Queue(redis_here.options(patience_s=0.5)) as queue:
        with pytest.raises(SandboxError, match="tutor worker"):
            await queue.run(Snippet(code="1"))


async def test_a_device_that_no_worker_serves_is_refused_in_words(redis_here: RedisHere) -> None:
    async with Queue(redis_here.options()) as queue:
        with pytest.raises(DeviceUnavailable, match="tutor worker --device cuda"):
            await queue.run(Snippet(code="1", device=Device.CUDA))


async def test_each_device_has_workers_of_its_own(redis_here: RedisHere) -> None:
    for_cpu, for_cuda = Held(), Held()
    for_cpu.open.set()
    for_cuda.open.set()
    options = redis_here.options()
    async with (
        working(for_cpu, options),
        working(for_cuda, options, Device.CUDA),
        Queue(options) as queue,
    ):
        with redis_here.asked() as asked:
            await until(lambda: asked.exists("tutor:workers:cuda") == 1)
        await queue.run(Snippet(code="on the GPU", device=Device.CUDA))
        await queue.run(Snippet(code="on the CPU"))
    assert set(for_cuda.begun) == {"on the GPU"} and set(for_cpu.begun) == {"on the CPU"}


async def test_what_a_worker_cannot_run_is_told_in_words_and_logged_with_its_reason(
    redis_here: RedisHere, caplog: pytest.LogCaptureFixture
) -> None:
    problem = SandboxError("No room.\n@everyone: [more](http://example.org)")
    async with (
        working(Spoilt(problem), redis_here.options()),
        Queue(redis_here.options()) as queue,
    ):
        with pytest.raises(SandboxError, match="the log says why") as caught:
            await queue.run(Snippet(code="1"))
    assert "everyone" not in str(caught.value)
    assert r"No room.\n@everyone" in caplog.text


async def test_a_fault_of_the_worker_itself_ends_the_run_in_words(redis_here: RedisHere) -> None:
    async with (
        working(Spoilt(KeyError("secret of the worker")), redis_here.options()),
        Queue(redis_here.options()) as queue,
    ):
        result = await queue.run(Snippet(code="1"))
    assert result.status is Status.INTERNAL
    assert "KeyError" in result.detail and "secret" not in result.detail


async def test_code_that_is_no_text_never_reaches_the_broker(redis_here: RedisHere) -> None:
    async with Queue(redis_here.options()) as queue:
        result = await queue.run(Snippet(code="x = '\ud800'"))
    assert result.status is Status.ERROR and "surrogate" in result.detail
    assert left_in(redis_here) == set()


async def test_an_order_submitted_again_is_run_once(redis_here: RedisHere) -> None:
    """What a client does that cannot know whether Redis got its order."""
    held, options = Held(), redis_here.options()
    order = Order(
        run=uuid.uuid4().hex,
        client=uuid.uuid4().hex,
        snippet=Snippet(code="once"),
        limits=Limits(),
    )
    broker = RunBroker(options, Device.CPU, "test")
    kicker: AsyncKicker[[str], None] = AsyncKicker(TASK, broker, {})
    async with working(held, options):
        for _ in range(3):
            await kicker.with_task_id(order.run).kiq(order.model_dump_json())
        await until(lambda: held.begun["once"] == 1)
        held.open.set()
        with redis_here.asked() as asked:
            await until(lambda: asked.exists(answer(order.run)) == 1)
            await kicker.with_task_id(order.run).kiq(order.model_dump_json())
            await until(lambda: orders_in(redis_here) == 0)
            asked.delete(answer(order.run), wanted(order.run), deliveries(order.run))
    await broker.shutdown()
    assert held.begun["once"] == 1


async def test_the_first_of_two_answers_stands(redis_here: RedisHere) -> None:
    """Two deliveries of one run, as after a worker that was stopped and went on later."""
    first, second = Held(), Held()
    options = redis_here.options()
    async with working(first, options, at_once=1), Queue(options) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="twice")))
        await until(lambda: first.begun["twice"] == 1)
        async with working(second, options, at_once=1):
            with redis_here.asked() as asked:
                [(_, fields)] = asked.xrange(stream(Device.CPU))
                asked.xadd(stream(Device.CPU), fields)
                await until(lambda: second.begun["twice"] == 1)
                second.open.set()
                result = await run
            # The other delivery is of no use to anybody now.
            await until(lambda: first.cut["twice"] == 1)
    assert result.status is Status.OK and first.ended["twice"] == 0


async def test_a_long_run_is_not_taken_away_from_a_worker_that_lives(
    redis_here: RedisHere,
) -> None:
    first, second = Held(), Held()
    options = redis_here.options(redeliver_s=0.5)
    async with working(first, options, at_once=1), Queue(options) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="long")))
        await until(lambda: first.begun["long"] == 1)
        second.open.set()
        async with working(second, options, at_once=1):
            await asyncio.sleep(4 * options.redeliver_s)
            first.open.set()
            assert (await run).status is Status.OK
    assert second.begun["long"] == 0 and first.begun["long"] == 1


async def test_a_cancelled_run_that_waits_is_never_begun(redis_here: RedisHere) -> None:
    held, options = Held(), redis_here.options()
    async with working(held, options, at_once=1), Queue(options) as queue:
        running = asyncio.create_task(queue.run(Snippet(code="running")))
        await until(lambda: held.begun["running"] == 1)
        waiting = asyncio.create_task(queue.run(Snippet(code="waiting")))
        await until(lambda: orders_in(redis_here) == 2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: len(left_in(redis_here)) == 2)  # wanted and deliveries of the other
        held.open.set()
        await running
        await until(lambda: orders_in(redis_here) == 0)
    assert held.begun["waiting"] == 0


async def test_a_cancelled_run_is_ended_on_the_worker(redis_here: RedisHere) -> None:
    held, options = Held(), redis_here.options()
    async with working(held, options), Queue(options) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="cut")))
        await until(lambda: held.begun["cut"] == 1)
        run.cancel()
        await until(lambda: held.cut["cut"] == 1)
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_a_run_is_ended_when_its_client_is_gone_without_a_word(
    redis_here: RedisHere,
) -> None:
    held, options = Held(), redis_here.options()
    async with working(held, options), Queue(options) as queue:
        run = asyncio.create_task(queue.run(Snippet(code="left alone")))
        await until(lambda: held.begun["left alone"] == 1)
        with redis_here.asked() as asked:  # what happens when the lease runs out
            asked.delete(*asked.keys("tutor:run:*:wanted"))
            await until(lambda: held.cut["left alone"] == 1)
            held.open.set()
            assert (await run).status is Status.OK  # this client is there, and asks again


async def test_a_worker_told_to_stop_hands_a_long_run_to_another(redis_here: RedisHere) -> None:
    first, second = Held(), Held()
    options = redis_here.options()
    second.open.set()
    async with Queue(options) as queue:
        async with working(first, options, grace_s=0.1) as stopping:
            run = asyncio.create_task(queue.run(Snippet(code="handed over")))
            await until(lambda: first.begun["handed over"] == 1)
            stopping.set()
            await until(lambda: first.cut["handed over"] == 1)
        async with working(second, options):
            assert (await run).status is Status.OK


async def test_a_worker_told_to_stop_lets_a_short_run_end(redis_here: RedisHere) -> None:
    held, options = Held(), redis_here.options()
    async with Queue(options) as queue, working(held, options) as stopping:
        run = asyncio.create_task(queue.run(Snippet(code="short")))
        await until(lambda: held.begun["short"] == 1)
        stopping.set()
        await asyncio.sleep(0.1)
        held.open.set()
        assert (await run).status is Status.OK
    assert held.cut["short"] == 0


async def test_a_broker_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    nobody = RedisHere(tmp_path)
    options = BrokerOptions(nobody.url.replace("//", "//user:hunter2@"))
    with pytest.raises(SandboxError) as caught:
        await Queue(options).start()
    said = str(caught.value)
    assert f"127.0.0.1:{nobody.port}" in said and "TUTOR_BROKER" in said
    assert "hunter2" not in said + repr(options)


async def test_a_wrong_password_is_told_with_the_setting_that_holds_it(tmp_path: Path) -> None:
    guarded = RedisHere(tmp_path, password="hunter2")
    guarded.start()
    try:
        for wrong in (None, "hunter3"):
            with pytest.raises(SandboxError, match="TUTOR_BROKER_PASSWORD_FILE") as caught:
                await Queue(BrokerOptions(guarded.url, wrong)).start()
            assert "hunter" not in str(caught.value)
        await Queue(BrokerOptions(guarded.url, "hunter2")).start()
    finally:
        guarded.stop()


async def test_the_rights_that_the_operators_page_gives_a_worker_are_enough(
    redis_here: RedisHere, pool: Pool
) -> None:
    page = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    [rights] = re.findall(r"^ +user worker (on >PASSWORD .*)$", page, re.MULTILINE)
    with redis_here.asked() as asked:
        asked.execute_command("ACL", "SETUSER", "worker", *rights.split())
    address = redis_here.url.replace("//", "//worker@")
    limited = replace(redis_here.options(), url=address, password="PASSWORD")
    async with Queue(redis_here.options()) as queue:
        async with working(pool, limited, grace_s=0.1) as stopping:
            assert (await queue.run(Snippet(code="print(1)"))).stdout == "1\n"
            run = asyncio.create_task(queue.run(Snippet(code="import time\ntime.sleep(3)")))
            await until(lambda: orders_in(redis_here) == 1)
            stopping.set()
        with redis_here.asked() as asked:
            assert asked.xinfo_groups(stream(Device.CPU))[0]["consumers"] == 0
        async with working(pool, limited):
            assert (await run).status is Status.OK
    with pytest.raises(SandboxError, match="TUTOR_BROKER_PASSWORD_FILE"):
        await Queue(replace(limited, password="other")).start()
    with Redis.from_url(address, password="PASSWORD") as asked:
        for forbidden in ("FLUSHALL", "CONFIG GET *", "KEYS *", "GET elsewhere", "ACL LIST"):
            with pytest.raises(NoPermissionError):
                asked.execute_command(*forbidden.split())


async def test_a_worker_without_the_rights_it_needs_ends_in_words(redis_here: RedisHere) -> None:
    with redis_here.asked() as asked:
        asked.acl_setuser(
            "reader", enabled=True, passwords=["+p"], keys=["*"], categories=["+@read"]
        )
    options = replace(
        redis_here.options(), url=redis_here.url.replace("//", "//reader@"), password="p"
    )
    worker = Worker(Held(), options, Device.CPU, at_once=1)
    with pytest.raises(SandboxError, match="rights"):
        await worker.serve(asyncio.Event())


async def test_a_broker_that_stays_away_ends_a_run_in_words(tmp_path: Path) -> None:
    redis = RedisHere(tmp_path)
    redis.start()
    async with Queue(redis.options(patience_s=0.5)) as queue:
        redis.stop()
        with pytest.raises(SandboxError, match="TUTOR_BROKER_PATIENCE_S"):
            await queue.run(Snippet(code="1"))
