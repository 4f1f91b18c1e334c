"""The caller's side of the queue: submits runs and waits for what the workers answer."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from sandbox.broker import (
    GROUP,
    LEASE_S,
    TASK,
    UNWANTED,
    Answer,
    News,
    Order,
    RunBroker,
    alive,
    answer,
    channel,
    check,
    deliveries,
    hear,
    refusing,
    stream,
    unreachable,
    wanted,
)
from sandbox.fitness import unfit
from sandbox.options import BrokerOptions
from sandbox.protocol import Device, Limits, Result, Snippet, Status, Tier
from sandbox.runner import DeviceUnavailable, Progress, SandboxError, Watch
from sandbox.service import Service

LOOK_S: Final = 4.0
"""A run of which nothing is heard is looked after this often."""
SUBMISSIONS_AT_MOST: Final = 5
"""A run that is lost on its way this often is given up."""

_MIB: Final = 1024 * 1024
_REPORT_AT_MOST: Final = 16 * _MIB
_GAP_AT_MOST: Final = 1000
_BEFORE_LOOKING_AGAIN_S: Final = 0.05
_SHOWN_EVERY_S: Final = 0.2
_OVERDUE_S: Final = 60.0
_CLOSE_S: Final = 5.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(eq=False)
class _Waiting:
    """A run that was accepted and has no result yet."""

    order: Order
    watch: Watch | None
    most: int
    """The largest answer that is read, in bytes."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    shown_at: float = 0.0
    submissions: int = 0
    missed: int = 0
    """How often in a row it was neither in the stream nor answered."""
    taken_at: float | None = None
    """When it was first seen with a worker."""
    alone_since: float | None = None
    """Since when no worker was there to take it."""


class Queue(Service):
    """Runs snippets on workers that share a Redis. Use as an asynchronous context manager.

    A run that was accepted is kept here until its answer came: a Redis that restarts, even an
    empty one, and a worker that dies do not lose it. Nothing that a worker sends is believed
    beyond its being a Result of a bounded size.
    """

    def __init__(self, options: BrokerOptions, *, limits: Limits | None = None) -> None:
        self._options = options
        self._limits = limits or Limits()
        self._client = uuid.uuid4().hex
        self._brokers = {device: RunBroker(options, device, self._client) for device in Device}
        self._redis: Redis = self._brokers[Device.CPU].redis
        self._waiting: dict[str, _Waiting] = {}
        self._listening: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Reach the broker. Raises SandboxError when it does not answer."""
        await check(self._options)
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Tell the workers what nobody waits for any more, and hang up."""
        if self._beside:
            await asyncio.wait(self._beside, timeout=_CLOSE_S)
        for task in (*self._beside, *([self._listening] if self._listening else [])):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._listening = None
        for broker in self._brokers.values():
            await broker.shutdown()

    # --- Running ----------------------------------------------------------------------------------

    async def run(
        self, snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        """Run `snippet` on a worker for its device and tell what happened.

        Raises DeviceUnavailable when no worker serves the device, SandboxError when the broker or
        all workers stay away for longer than the patience of the options.
        """
        limits = limits or self._limits
        if self._listening is None:
            raise SandboxError("The queue is not started. Start it first.")
        if (refused := unfit(snippet, limits, Tier.NONE)) is not None:
            return refused
        if snippet.device is not Device.CPU and not await self._workers(snippet.device):
            raise _unserved(snippet.device)
        order = Order(run=uuid.uuid4().hex, client=self._client, snippet=snippet, limits=limits)
        waiting = _Waiting(order, watch, _largest(limits))
        self._waiting[order.run] = waiting
        try:
            await self._submit(waiting)
            return await self._wait(waiting)
        finally:
            del self._waiting[order.run]
            self._do_beside(self._forget(order.run))

    async def _submit(self, waiting: _Waiting) -> None:
        order = waiting.order
        broker = self._brokers[order.snippet.device]
        kicker: AsyncKicker[[str], None] = AsyncKicker(TASK, broker, {})
        await self._ask(kicker.with_task_id(order.run).kiq(order.model_dump_json()))

    async def _wait(self, waiting: _Waiting) -> Result:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await waiting.news.wait()
            except TimeoutError:
                pass
            waiting.news.clear()
            raw, entry = await self._look(waiting)
            if raw:
                return _read(raw, waiting)
            if (lost := await self._look_after(waiting, entry)) is not None:
                return lost
            await asyncio.sleep(_BEFORE_LOOKING_AGAIN_S)  # whoever says the news may be lying

    async def _look(self, waiting: _Waiting) -> tuple[bytes, str | None]:
        """The answer, empty while there is none, and the entry in the stream; renews the lease."""
        run = waiting.order.run
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.getrange(answer(run), 0, waiting.most)
            pipe.getex(wanted(run), ex=LEASE_S)
            raw, entry = await self._ask(pipe.execute())
        return raw, None if entry is None else entry.decode(errors="replace")

    async def _look_after(self, waiting: _Waiting, entry: str | None) -> Result | None:
        """See that somebody has the run or will have it; a Result when it is to be given up."""
        if entry is None:  # a Redis that came back without it
            return await self._submit_again(waiting)
        device = waiting.order.snippet.device
        now = time.monotonic()
        taken, last = await self._ask(self._whereabouts(device, entry))
        if taken:
            waiting.missed, waiting.alone_since = 0, None
            waiting.taken_at = waiting.taken_at or now
            longest = 2 * waiting.order.limits.wall_s + self._options.redeliver_s + _OVERDUE_S
            if now - waiting.taken_at > longest:
                return _internal("No worker has ended this run in the time it may take.")
        elif _place(entry) <= _place(last):
            # Gone from the stream. Its answer may have come since: believed the second time.
            waiting.missed += 1
            if waiting.missed > 1:
                return await self._submit_again(waiting)
        else:
            waiting.missed = 0
            await self._expect_workers(waiting, now)
        return None

    async def _whereabouts(self, device: Device, entry: str) -> tuple[bool, str]:
        """Whether a worker has the entry, and the last entry that any worker got."""
        try:
            groups = await self._redis.xinfo_groups(stream(device))
            last = next(group for group in groups if group["name"] == GROUP.encode())
            pending = await self._redis.xpending_range(stream(device), GROUP, entry, entry, 1)
        except (ResponseError, StopIteration):  # no stream, or no worker ever
            return False, "0-0"
        return bool(pending), last["last-delivered-id"].decode(errors="replace")

    async def _submit_again(self, waiting: _Waiting) -> Result | None:
        waiting.submissions, waiting.missed = waiting.submissions + 1, 0
        if waiting.submissions >= SUBMISSIONS_AT_MOST:
            return _internal("The run was submitted several times and no worker ever answered.")
        await self._ask(self._redis.delete(wanted(waiting.order.run)))
        await self._submit(waiting)
        return None

    async def _expect_workers(self, waiting: _Waiting, now: float) -> None:
        """Raises SandboxError when no worker was there for too long."""
        device = waiting.order.snippet.device
        if await self._workers(device):
            waiting.alone_since = None
        elif waiting.alone_since is None:
            waiting.alone_since = now
        elif now - waiting.alone_since > self._options.patience_s:
            raise _unserved(device)

    async def _workers(self, device: Device) -> list[str]:
        return await self._ask(alive(self._redis, device))

    async def _ask(self, question: Awaitable[T]) -> T:
        """Wait for Redis as long as the options allow; connections come back by themselves.

        Raises SandboxError.
        """
        try:
            async with asyncio.timeout(self._options.patience_s):
                return await question
        except TimeoutError:
            waited = f"for {self._options.patience_s:g} s; TUTOR_BROKER_PATIENCE_S"
            raise unreachable(self._options, waited) from None
        except SendTaskError as error:
            raise unreachable(self._options, str(error.__cause__)) from error
        except RedisError as error:
            raise refusing(self._options, error) from error

    # --- Beside the runs --------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for said in hear(self._redis, channel(self._client)):
            if said is None:
                for waiting in self._waiting.values():
                    waiting.news.set()
            else:
                self._take_in(said)

    def _take_in(self, said: bytes) -> None:
        try:
            news = News.model_validate_json(said)
        except ValidationError:
            return
        waiting = self._waiting.get(news.run)
        if waiting is None:
            return
        if news.stdout is None:
            waiting.news.set()
        elif waiting.watch is not None and time.monotonic() - waiting.shown_at > _SHOWN_EVERY_S:
            waiting.shown_at = time.monotonic()
            waiting.watch(Progress(0, running=True, stdout=news.stdout))

    async def _forget(self, run: str) -> None:
        """Nobody waits for this run any more: no worker need start it, go on with it, or keep it.

        Without this (Redis is away) the lease runs out.
        """
        async with asyncio.timeout(self._options.patience_s):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(wanted(run), answer(run), deliveries(run))
                pipe.publish(UNWANTED, run)
                await pipe.execute()

    def _do_beside(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._beside.add(task)
        task.add_done_callback(self._done_beside)

    def _done_beside(self, task: asyncio.Task[None]) -> None:
        self._beside.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("A run that has ended stays in Redis until it expires: %r", error)


def _read(raw: bytes, waiting: _Waiting) -> Result:
    """The result that a worker sent. Raises DeviceUnavailable and SandboxError for a refusal."""
    device = waiting.order.snippet.device
    if len(raw) > waiting.most:
        return _internal(f"The worker's answer is larger than {waiting.most} bytes.")
    try:
        given = Answer.model_validate_json(raw)
    except ValidationError:
        return _internal("The worker's answer does not keep to the protocol.")
    if given.result is not None:
        if _is_more_than(given.result, waiting.order.limits):
            return _internal("The worker's answer holds more than the limits of the run allow.")
        return given.result
    # For the log only: people are not shown what a worker writes outside of a result's fences.
    _log.warning("A worker for %s refuses: %r", device, given.refusal)
    sentence = (
        f"The worker that took this run can run nothing on {device} now; the log says why. "
        "Try again later."
    )
    raise SandboxError(sentence) if device is Device.CPU else DeviceUnavailable(device, sentence)


def _largest(limits: Limits) -> int:
    """Bytes that no answer under these limits exceeds: a byte may take six characters of JSON."""
    return 12 * limits.output_bytes + 2 * _MIB * limits.files_mib + _REPORT_AT_MOST


def _is_more_than(result: Result, limits: Limits) -> bool:
    output = max(len(result.stdout), len(result.stderr))
    files = sum(len(file.content_base64) for file in result.files)
    return (
        output > limits.output_bytes + _GAP_AT_MOST
        or len(result.files) > limits.files
        or files > 2 * _MIB * limits.files_mib
    )


def _internal(why: str) -> Result:
    return Result(
        status=Status.INTERNAL, detail=f"{why} Nothing of it is shown. Look at that worker's log."
    )


def _unserved(device: Device) -> SandboxError:
    if device is Device.CPU:
        return SandboxError(
            "No worker takes runs from the broker. Start one with `tutor worker`, with "
            "TUTOR_BROKER set as it is here."
        )
    return DeviceUnavailable(
        device,
        f"No worker serves {device}. Start one with `tutor worker --device {device}` on a "
        "machine that has such a device, or use --device cpu.",
    )


def _place(entry: str) -> tuple[int, int]:
    """The place of an entry in its stream, to compare; the first place for no entry's name."""
    milliseconds, _, number = entry.partition("-")
    if not (milliseconds.isdecimal() and number.isdecimal()):
        return 0, 0
    return int(milliseconds), int(number)
