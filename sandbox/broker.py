"""How a run travels over Redis: the keys, the messages, and a stream that loses nothing.

A client puts an order into the stream of its device; one worker of the group gets it, keeps it as
its own by a sign of life, and answers under a key of the run. Whatever comes from Redis may have
been written by a worker that a snippet broke into: it is JSON, bounded and parsed strictly.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field, model_validator
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from taskiq import AckableMessage, BrokerMessage
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisStreamBroker

from sandbox.options import BrokerOptions
from sandbox.protocol import Device, Frozen, Limits, Result, Snippet, Text
from sandbox.runner import SandboxError

GROUP: Final = "workers"
UNWANTED: Final = "tutor:unwanted"
"""The channel on which clients name the runs that nobody waits for any more."""
TASK: Final = "run"
"""The one task that taskiq carries."""
STDOUT_AT_MOST: Final = 4000
"""Characters of the output that are told while a run goes on."""
LEASE_S: Final = 120
"""Seconds for which a run stays wanted when its client is not heard of."""
ALIVE_S: Final = 15.0
"""Seconds after its last sign for which a worker counts as there."""

_BLOCK_MS: Final = 2000
_SOCKET_S: Final = 10.0
_SLOWEST_RETRY_S: Final = 1.0

_SUBMIT: Final = """
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return 0 end
local entry = redis.call('XADD', KEYS[3], '*', 'data', ARGV[1])
redis.call('SET', KEYS[1], entry, 'EX', ARGV[2])
return 1
"""
"""In one step, so that a run submitted again after a broken connection is not there twice."""

_log = logging.getLogger(__name__)

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Order(Frozen):
    """Client to worker: run this."""

    run: Id
    client: Id
    """Whose channel hears of it."""
    snippet: Snippet
    limits: Limits


class News(Frozen):
    """Worker to client: the end of what a run has printed so far, or that it is answered."""

    run: Id
    stdout: Annotated[str, Field(max_length=STDOUT_AT_MOST)] | None = None
    """None when the answer stands under the run's key."""


class Answer(Frozen):
    """Worker to client: what became of an order; one of the two."""

    result: Result | None = None
    refusal: Text = ""
    """Why nothing could be run."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Answer:
        if (self.result is None) == (not self.refusal):
            raise ValueError("either a result or a refusal")
        return self


def stream(device: Device) -> str:
    """The key of the orders for a device."""
    return f"tutor:runs:{device}"


def signs(device: Device) -> str:
    """The key of the workers for a device, by the time of their last sign."""
    return f"tutor:workers:{device}"


def channel(client: str) -> str:
    """The channel on which a client hears News."""
    return f"tutor:client:{client}"


def wanted(run: str) -> str:
    """The key that is there as long as somebody waits for the run; it names the stream's entry."""
    return f"tutor:run:{run}:wanted"


def deliveries(run: str) -> str:
    """The key of the set of the run's deliveries to workers."""
    return f"tutor:run:{run}:deliveries"


def answer(run: str) -> str:
    """The key of the run's Answer."""
    return f"tutor:run:{run}:answer"


def connection(options: BrokerOptions) -> dict[str, Any]:
    """Arguments of a connection that comes back by itself, however long Redis is away."""
    back_off = ExponentialWithJitterBackoff(cap=_SLOWEST_RETRY_S, base=0.02)
    is_file = options.url.startswith("unix:")
    return {
        **({} if is_file else {"socket_keepalive": True}),
        **({} if options.password is None else {"password": options.password}),
        "protocol": 2,  # the answers that taskiq-redis reads
        "retry": Retry(back_off, -1),
        "socket_timeout": _SOCKET_S,
        "socket_connect_timeout": _SOCKET_S,
        "health_check_interval": 30,
    }


def unreachable(options: BrokerOptions, why: str) -> SandboxError:
    """The error for a broker that does not answer."""
    return SandboxError(
        f"The broker at {options.place} does not answer ({why}). Start Redis there or correct "
        "TUTOR_BROKER; without TUTOR_BROKER snippets run in the sandbox of this process."
    )


def refusing(options: BrokerOptions, error: RedisError) -> SandboxError:
    """The error for a broker that answers, but not as it should."""
    if isinstance(error, NoPermissionError):
        remedy = "Give its user the rights that docs/operator.md names under 'Workers'."
    elif isinstance(error, AuthenticationError):
        remedy = "Put its password into the file that TUTOR_BROKER_PASSWORD_FILE names."
    else:
        remedy = "TUTOR_BROKER has to name a Redis of version 6.2 or later with free memory."
    return SandboxError(f"The broker at {options.place} refuses: {error}. {remedy}")


async def check(options: BrokerOptions) -> None:
    """Try the broker once. Raises SandboxError when it cannot be used."""
    arguments = {**connection(options), "retry": Retry(NoBackoff(), 0)}
    redis = Redis.from_url(options.url, **arguments)
    try:
        await redis.xinfo_groups(stream(Device.CPU))
    except ResponseError as error:
        if "no such key" not in str(error):
            raise refusing(options, error) from error
    except AuthenticationError as error:
        raise refusing(options, error) from error
    except (RedisError, OSError) as error:
        raise unreachable(options, str(error) or type(error).__name__) from error
    finally:
        await redis.aclose()


async def alive(redis: Redis, device: Device) -> list[str]:
    """The names of the workers for `device` that gave a sign lately."""
    now = (await redis.time())[0]
    names: Any = await redis.zrangebyscore(signs(device), now - ALIVE_S, "+inf")
    return [name.decode(errors="replace") for name in names]


async def census(options: BrokerOptions) -> dict[Device, list[str]]:
    """The workers that are there. Raises SandboxError when the broker cannot be used."""
    await check(options)
    redis = Redis.from_url(options.url, **connection(options))
    try:
        async with asyncio.timeout(_SOCKET_S):
            return {device: await alive(redis, device) for device in Device}
    except TimeoutError:
        raise unreachable(options, "the connection broke") from None
    finally:
        await redis.aclose()


async def hear(redis: Redis, name: str) -> AsyncIterator[bytes | None]:
    """What is said on a channel; None at each (re)connection, before which some was missed."""
    async with redis.pubsub() as heard:
        await heard.subscribe(name)
        while True:
            said = await heard.get_message(timeout=_BLOCK_MS / 1000)
            if said is not None:
                yield said["data"] if said["type"] == "message" else None


class RunBroker(RedisStreamBroker):
    """taskiq's broker over one device's stream, with the parts that keep every run.

    taskiq-redis looks for the messages of dead workers only after a new message came, behind a lock
    that a killed worker leaves locked, and cannot tell a long run from a dead worker. Here they
    are looked for by time, `hold` gives the sign of life, and `kick` is safe to repeat.
    """

    def __init__(self, options: BrokerOptions, device: Device, consumer: str) -> None:
        super().__init__(
            options.url,
            queue_name=stream(device),
            consumer_group_name=GROUP,
            consumer_name=consumer,
            consumer_id="0",  # orders that came before the first worker are read, too
            idle_timeout=int(options.redeliver_s * 1000),
            max_connection_pool_size=32,
            timeout=None,  # for a free connection
            **connection(options),
        )
        # Their messages hold what they carry, which is learners' code.
        logging.getLogger("taskiq").setLevel(logging.ERROR)
        self.with_serializer(JSONSerializer())
        self.redis: Redis = Redis(connection_pool=self.connection_pool)
        self._submit = self.redis.register_script(_SUBMIT)
        self._held: set[bytes] = set()
        self._look_at = 0.0

    async def kick(self, message: BrokerMessage) -> None:
        """Put an order into the stream, unless it is there or answered already."""
        run = message.task_id
        await self._submit(
            keys=[wanted(run), answer(run), self.queue_name], args=[message.message, LEASE_S]
        )

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Orders, one at a time: those of dead workers first."""
        while True:
            try:
                entry = await self._abandoned() or await self._next()
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                # A Redis that came back empty has no group any more.
                _log.warning("The stream %s is made anew: %s", self.queue_name, error)
                await asyncio.sleep(_SLOWEST_RETRY_S)
                await self._declare_consumer_group()
                continue
            if entry is not None:
                name, fields = entry
                self._held.add(name)
                yield AckableMessage(data=fields.get(b"data", b""), ack=partial(self._done, name))

    async def hold(self) -> None:
        """Tell that this worker lives and goes on with what it has."""
        if self._held:
            await self._claim(self._held, 0, justid=True)

    async def _claim(self, entries: Iterable[bytes], idle_ms: int, *, justid: bool = False) -> Any:
        return await self.redis.xclaim(
            self.queue_name,
            self.consumer_group_name,
            self.consumer_name,
            idle_ms,
            list(entries),
            justid=justid,
        )

    async def _abandoned(self) -> tuple[bytes, dict[bytes, bytes]] | None:
        """An order whose worker gave no sign for too long, now this worker's own."""
        if time.monotonic() < self._look_at:
            return None
        stale: Any = await self.redis.xpending_range(
            self.queue_name, self.consumer_group_name, "-", "+", 1, idle=self.idle_timeout
        )
        if not stale:
            self._look_at = time.monotonic() + min(self.idle_timeout, _BLOCK_MS) / 2000
            return None
        name = stale[0]["message_id"]
        if name in self._held:  # this process was stopped for a while
            await self.hold()
            return None
        claimed = await self._claim([name], self.idle_timeout)
        return claimed[0] if claimed else None

    async def _next(self) -> tuple[bytes, dict[bytes, bytes]] | None:
        fetched: Any = await self.redis.xreadgroup(
            self.consumer_group_name,
            self.consumer_name,
            {self.queue_name: ">"},
            block=min(_BLOCK_MS, self.idle_timeout),
            count=1,
        )
        return fetched[0][1][0] if fetched else None

    async def _done(self, name: bytes) -> None:
        self._held.discard(name)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.xack(self.queue_name, self.consumer_group_name, name)
            pipe.xdel(self.queue_name, name)
            await pipe.execute()
