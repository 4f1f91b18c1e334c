"""A worker: takes orders from the stream of its device and runs them in a pool of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Coroutine
from typing import Any, Final

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from sandbox.broker import (
    ALIVE_S,
    GROUP,
    STDOUT_AT_MOST,
    TASK,
    UNWANTED,
    Answer,
    News,
    Order,
    RunBroker,
    answer,
    census,
    channel,
    deliveries,
    hear,
    refusing,
    signs,
    stream,
    wanted,
)
from sandbox.options import BrokerOptions
from sandbox.protocol import TEXT_AT_MOST, Device, Result, Status
from sandbox.runner import Progress, Runner, SandboxError

DELIVERIES_AT_MOST: Final = 2
"""A run that ended this many workers is not given to another."""
GRACE_S: Final = 8.0
"""Less than the 10 s after which container engines kill."""

_FORGOTTEN_MS: Final = 3_600_000
_HOST: Final = socket.gethostname()

_log = logging.getLogger(__name__)


class Worker:
    """Runs the orders for one device, `at_once` of them at the same time.

    The runner is to be started already. When told to stop, the worker lets its runs go on for
    `grace_s` seconds and then hands them back.
    """

    def __init__(
        self,
        runner: Runner,
        options: BrokerOptions,
        device: Device,
        *,
        at_once: int,
        grace_s: float = GRACE_S,
    ) -> None:
        self.name = f"{_HOST}:{os.getpid()}:{secrets.token_hex(4)}"
        self._runner, self._options, self._device = runner, options, device
        self._at_once, self._grace_s = at_once, grace_s
        self._broker = RunBroker(options, device, self.name)
        self._redis: Redis = self._broker.redis

        async def run(order: str) -> None:  # taskiq takes functions only, no methods
            await self._fulfil(order)

        self._order = self._broker.register_task(run, task_name=TASK)
        self._runs: dict[str, asyncio.Task[Result]] = {}
        self._leaving = False
        self._telling: dict[str, asyncio.Task[None]] = {}

    async def serve(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set; then let runs end, or hand back those that take long.

        Raises SandboxError when the broker refuses what a worker needs. One that is away is waited
        for.
        """
        receiver = Receiver(
            self._broker,
            max_async_tasks=self._at_once,
            max_prefetch=0,
            ack_type=AcknowledgeType.WHEN_EXECUTED,
        )
        listening = asyncio.create_task(receiver.listen(stopping))
        beside = [asyncio.create_task(self._beat()), asyncio.create_task(self._heed())]
        told: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
        every = (told, listening, *beside)
        try:
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                _log.info("Told to stop, with %d runs going on", len(self._runs))
                await asyncio.wait({listening}, timeout=self._grace_s)
                self._leaving = True
                for run in self._runs.values():
                    run.cancel()
                await listening
            for task in (listening, *beside):
                if task.done() and (error := task.exception()) is not None:
                    raise self._in_words(error)
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)
            await self._take_leave()

    def _in_words(self, error: BaseException) -> BaseException:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return refusing(self._options, error) if isinstance(error, RedisError) else error

    # --- One order --------------------------------------------------------------------------------

    async def _fulfil(self, text: str) -> None:
        """Do what an Order says. When this returns, taskiq takes the order out of the stream."""
        try:
            order = Order.model_validate_json(text)
        except ValidationError:
            _log.warning("An order that does not keep to the protocol is thrown away")
            return
        if order.run in self._runs:
            return
        delivery = secrets.token_hex(8)
        times = await self._begin(order.run, delivery)
        if times > DELIVERIES_AT_MOST:
            await self._give(order, _lost(times - 1).model_dump_json())
        elif times:
            given = await self._answer(order)
            if given is not None:
                await self._give(order, given)
            elif self._leaving:
                await self._hand_back(order, delivery)

    async def _begin(self, run: str, delivery: str) -> int:
        """How often the run was delivered, this time included; 0 when it is not to be run."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.exists(wanted(run))
            pipe.exists(answer(run))
            pipe.sadd(deliveries(run), delivery)
            pipe.scard(deliveries(run))
            pipe.expire(deliveries(run), self._options.keep_s)
            is_wanted, is_answered, _, times, _ = await pipe.execute()
        return int(times) if is_wanted and not is_answered else 0

    async def _answer(self, order: Order) -> str | None:
        """An Answer as JSON; None when the run was ended because nobody waits, or to leave."""

        def watch(progress: Progress) -> None:
            if progress.stdout and order.run not in self._telling:
                self._tell(order, progress.stdout)

        run = asyncio.create_task(self._run(order, watch))
        self._runs[order.run] = run
        if self._leaving:
            run.cancel()
        try:
            given = Answer(result=await run)
        except asyncio.CancelledError:
            return None
        except SandboxError as error:
            given = Answer(refusal=str(error)[:TEXT_AT_MOST])
        except Exception as error:
            _log.exception("A run failed for a reason of the worker's own")
            why = f"The worker failed ({type(error).__name__}). Its log says more. Try again."
            given = Answer(result=Result(status=Status.INTERNAL, detail=why))
        finally:
            del self._runs[order.run]
        return given.model_dump_json()

    def _run(self, order: Order, watch: Any) -> Coroutine[Any, Any, Result]:
        return self._runner.run(order.snippet, order.limits, watch=watch)

    def _tell(self, order: Order, stdout: str) -> None:
        """Publish the end of the output beside the run; what comes meanwhile is in the next."""
        news = News(run=order.run, stdout=stdout[-STDOUT_AT_MOST:])

        async def publish() -> None:
            await self._redis.publish(channel(order.client), news.model_dump_json())

        task = asyncio.create_task(publish())
        self._telling[order.run] = task
        task.add_done_callback(lambda _: self._telling.pop(order.run))

    async def _give(self, order: Order, given: str) -> None:
        """The first answer stands; the client is told in any case."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(answer(order.run), given, nx=True, ex=self._options.keep_s)
            pipe.publish(channel(order.client), News(run=order.run).model_dump_json())
            await pipe.execute()

    async def _hand_back(self, order: Order, delivery: str) -> None:
        """Put an order at the end of the stream as if it had not been delivered here."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.srem(deliveries(order.run), delivery)
            pipe.delete(wanted(order.run))
            _, was_wanted = await pipe.execute()
        if was_wanted:
            await self._order.kicker().with_task_id(order.run).kiq(order.model_dump_json())
            _log.info("Handed a run back")

    # --- Beside the orders ------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Give signs of life, and end the runs that nobody waits for any more."""
        while True:
            with contextlib.suppress(ResponseError):  # no stream: the listener makes it anew
                await self._broker.hold()
            now = (await self._redis.time())[0]
            await self._redis.zadd(signs(self._device), {self.name: now})
            await self._redis.zremrangebyscore(signs(self._device), "-inf", now - 4 * ALIVE_S)
            for run in list(self._runs):
                if not await self._redis.exists(wanted(run)):
                    self._end(run)
            await asyncio.sleep(min(self._options.redeliver_s, ALIVE_S) / 3)

    async def _heed(self) -> None:
        """End a run as soon as its client says that nobody waits for it."""
        async for run in hear(self._redis, UNWANTED):
            if run is not None:
                self._end(run.decode(errors="replace"))

    def _end(self, run: str) -> None:
        if (task := self._runs.get(run)) is not None:
            task.cancel()

    async def _take_leave(self) -> None:
        """Be gone from the list of workers, as well as that can be done now."""
        with contextlib.suppress(TimeoutError, ResponseError):
            async with asyncio.timeout(1.0):
                await self._redis.zrem(signs(self._device), self.name)
                for consumer in await self._redis.xinfo_consumers(stream(self._device), GROUP):
                    mine = consumer["name"] == self.name.encode()
                    if not consumer["pending"] and (mine or consumer["idle"] > _FORGOTTEN_MS):
                        await self._redis.xgroup_delconsumer(
                            stream(self._device), GROUP, consumer["name"]
                        )
        await self._broker.shutdown()


async def is_well(options: BrokerOptions, device: Device) -> bool:
    """Whether a worker for `device` on this host gave a sign lately.

    Raises SandboxError when the broker cannot be used.
    """
    return any(name.startswith(f"{_HOST}:") for name in (await census(options))[device])


def _lost(times: int) -> Answer:
    sentence = (
        f"The run was given to {times} workers, and each of them died of it or beside it. "
        "It is not tried again. Try a smaller snippet; the workers' logs say how they ended."
    )
    return Answer(result=Result(status=Status.INTERNAL, detail=sentence))
