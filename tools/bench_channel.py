"""What one process of the bot carries: messages pushed through a local gateway into `tutor serve`.

The bot runs as it is shipped, in a process of its own: the sandbox is up, the settings are the
defaults, the database is new. Its limits of conduct hold: the posts are spread over so many people,
channels and guilds that they stay below them, and nobody speaks twice in a row, because messages in
a row are one post. This process (Discord, all people, the clock) and the bot share two processors.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from bench_posts import QUESTIONS, posts_of_entries, share
from rich.console import Console
from rich.table import Table

from bot.assembly import build_searcher
from bot.local.call import Call
from bot.local.model import Channel, Message, User
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.settings import Settings
from knowledge.post import parse

MESSAGES = 10_000
RATE = 50.0
"""Messages in a second."""
ERRORS = 0.05
"""The share of messages that are tracebacks."""
MEDIAN_MS = 50.0
P99_MS = 500.0
LATE_MS = 1_000.0
"""A heartbeat that comes so long after its interval is late."""

GUILDS, CHANNELS, PEOPLE = 10, 5, 500
"""Guilds, channels of each, and people: below all default limits with 500 tracebacks."""
PROCESSORS = 2
SEED = 20
_HEARTBEAT_MS = 2_000
"""Discord asks for one in 41 s; more of them see more."""
_QUIET_S = 15.0
"""After so long without an answer, what is missing is lost."""
_READY_S = 120.0
_TOKEN = "a-token-for-the-bench"  # noqa: S105 - of the local Discord


@dataclass(frozen=True)
class Said:
    """One message that is to be said, and whether the tutor has an answer to it."""

    author: User
    channel: Channel
    text: str
    answerable: bool


@dataclass
class Watch:
    """When each post was sent to the bot, and when its answers came back; seconds."""

    sent: dict[int, float] = field(default_factory=dict)
    came: dict[int, list[float]] = field(default_factory=dict)
    newest: float = 0.0

    def __call__(self, call: Call) -> None:
        """Called by the local Discord for each request, before it is handled."""
        if call.method == "POST" and call.template == "/channels/{channel_id}/messages":
            replied_to = int((call.form.get("message_reference") or {}).get("message_id") or 0)
            self.newest = time.perf_counter()
            self.came.setdefault(replied_to, []).append(self.newest)

    def taken_ms(self) -> list[float]:
        """Milliseconds from each answered post to its first answer."""
        return [
            (moments[0] - self.sent[post]) * 1000
            for post, moments in self.came.items()
            if post in self.sent
        ]


@dataclass(frozen=True)
class Figures:
    """One measurement."""

    messages: int
    seconds: float
    """From the first message to the last one or the last answer, whichever was later."""
    answerable: int
    lost: int
    doubled: int
    uncalled: int
    """Answers to messages that have none."""
    taken_ms: Sequence[float]
    beats: int
    latest_ms: float
    """The latest heartbeat, after its interval."""
    acknowledged_ms: float
    """The longest time that an acknowledgement waited behind messages."""
    reconnects: int
    cpu_s: float
    """Of all processes of the bot."""
    rss_mib: float
    """Of the largest one."""

    @property
    def per_second(self) -> float:
        """Messages in a second."""
        return self.messages / self.seconds


def corpus() -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Tracebacks and chatter, each text with whether the tutor answers it unasked."""
    tests = QUESTIONS.parent
    searcher = build_searcher(Settings())
    searcher.load()
    pasted = [path.read_text(encoding="utf-8") for path in sorted(tests.glob("pasted/*.txt"))]
    others = (tests / "distractors.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [*posts_of_entries(searcher.entries), *pasted, *(json.loads(o)["text"] for o in others)]
    errors: list[tuple[str, bool]] = []
    chatter: list[tuple[str, bool]] = []
    for text in (one.strip() for one in texts if len(one) <= 2_000):
        post = parse(text)
        (errors if post.errors else chatter).append((text, searcher.search(post).answered))
    return errors, chatter


def plan(messages: int, people: Sequence[User], channels: Sequence[Channel]) -> list[Said]:
    """What is said, in its order; the same in every run."""
    chance = random.Random(SEED)  # noqa: S311 - no secret hangs on it
    errors, chatter = corpus()
    failing = set(chance.sample(range(messages), int(messages * ERRORS)))
    before: dict[int, User] = {}
    said: list[Said] = []
    asked = 0
    for number in range(messages):
        if number in failing:
            text, answerable = errors[asked % len(errors)]
            author, channel = people[asked % len(people)], channels[asked % len(channels)]
            asked += 1
        else:
            text, answerable = chance.choice(chatter)
            author, channel = chance.choice(people), chance.choice(channels)
        if before.get(channel.id) == author:
            author = people[(people.index(author) + len(people) // 2) % len(people)]
        before[channel.id] = author
        said.append(Said(author, channel, text, answerable))
    return said


@asynccontextmanager
async def _serving(
    discord: LocalDiscord, folder: Path, shard: int, count: int
) -> AsyncIterator[Process]:
    """`tutor serve` with one of `count` shards."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TUTOR_") or name == "TUTOR_CACHE"
    }
    own = {
        "TUTOR_TOKEN": _TOKEN,
        "TUTOR_DATABASE": str(folder / "tutor.db"),
        "TUTOR_LOG_LEVEL": "WARNING",
        "TUTOR_SHARD_COUNT": str(count),
        "TUTOR_SHARD_IDS": str(shard),
    }
    command = [sys.executable, "-m", "bot", "serve"]
    if guard := shutil.which("setpriv"):
        command = [guard, "--pdeathsig", "TERM", *command]
    bot = await asyncio.create_subprocess_exec(*command, env=kept | discord.environment() | own)
    try:
        yield bot
    finally:
        if bot.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                bot.send_signal(signal.SIGTERM)
            await bot.wait()


async def _ready(
    discord: LocalDiscord, bots: Sequence[Process], channels: Sequence[Channel], watch: Watch
) -> None:
    """Wait until the bot answers in each guild by meaning, for which its model has to be loaded."""

    def come_up() -> bool:
        if any(bot.returncode is not None for bot in bots):
            sys.exit("The bot ended by itself; what it said stands above.")
        return discord.gateway.online

    world = discord.world
    asked = f"<@{world.bot.id}> my loss is nan after a few steps, what is wrong?"
    async with asyncio.timeout(_READY_S):
        await _until(come_up)
        await asyncio.sleep(3.0)  # discord.py waits two seconds for further guilds
        waiting = {
            world.say(world.people[number], channel, asked).id
            for number, channel in enumerate(channels[::CHANNELS])
        }
        await _until(lambda: waiting <= set(watch.came))
    watch.came.clear()


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.1)


async def _say(
    discord: LocalDiscord, said: Sequence[Said], rate: float | None, watch: Watch
) -> int:
    """Say everything, `rate` messages in a second or as fast as it goes.

    Returns how many of them the tutor has an answer to, all of which came or were waited for.
    """
    answerable: set[int] = set()
    begun = time.perf_counter()
    for number, one in enumerate(said):
        if rate is None:
            await asyncio.sleep(0)
        elif (pause := begun + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        moment = time.perf_counter()
        message: Message = discord.world.say(one.author, one.channel, one.text)
        watch.sent[message.id] = moment
        if one.answerable:
            answerable.add(message.id)
    watch.newest = max(watch.newest, time.perf_counter())
    while time.perf_counter() - watch.newest < _QUIET_S:
        await asyncio.sleep(0.1)
        if answerable <= set(watch.came) and time.perf_counter() - watch.newest > 3.0:
            break  # whatever came twice or uncalled has come by now
    return len(answerable)


async def measure(messages: int, rate: float | None, processes: int = 1) -> Figures:
    """Push `messages` into a bot that has just started. Raises TimeoutError when it does not."""
    watch = Watch()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tutor-bench-")))
        discord = LocalDiscord(port=0, token=_TOKEN, page=False)
        discord.gateway.heartbeat_ms = _HEARTBEAT_MS
        discord.rest.observers.append(watch)
        people = [discord.world.add_person(f"person{number}") for number in range(PEOPLE)]
        channels = [
            channel
            for number in range(1, GUILDS + 1)
            for channel in discord.world.add_guild(
                GUILD_ID + (number << 22), f"group {number}", *(f"c{i}" for i in range(CHANNELS))
            )
        ]
        said = plan(messages, people, channels)
        await stack.enter_async_context(discord)
        bots = [
            await stack.enter_async_context(_serving(discord, folder, shard, processes))
            for shard in range(processes)
        ]
        await _ready(discord, bots, channels, watch)
        connections, cpu_s = len(discord.gateway.pulses), _cpu_s(bots)
        begun, begun_at = time.perf_counter(), time.monotonic()
        answerable = await _say(discord, said, rate, watch)
        pulses = list(discord.gateway.pulses)
        beats = [beat for pulse in pulses for beat in pulse.beats(since=begun_at)]
        came = {post: len(moments) for post, moments in watch.came.items()}
        wanted = {post for post, one in zip(watch.sent, said, strict=True) if one.answerable}
        return Figures(
            messages=messages,
            seconds=watch.newest - begun,
            answerable=answerable,
            lost=len(wanted - set(came)),
            doubled=sum(count > 1 for count in came.values()),
            uncalled=len(set(came) - wanted),
            taken_ms=watch.taken_ms(),
            beats=len(beats),
            latest_ms=max((beat.late_s for beat in beats), default=0.0) * 1000,
            acknowledged_ms=max((beat.acknowledged_s for beat in beats), default=0.0) * 1000,
            reconnects=len(pulses) - connections,
            cpu_s=_cpu_s(bots) - cpu_s,
            rss_mib=max(psutil.Process(bot.pid).memory_info().rss for bot in bots) / 2**20,
        )


def _cpu_s(bots: Sequence[Process]) -> float:
    return sum(sum(psutil.Process(bot.pid).cpu_times()[:2]) for bot in bots)


def channel(console: Console, messages: int = MESSAGES, processes: int = 1) -> None:
    """Print a table: at a steady rate, and as fast as it goes."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    load = os.getloadavg()[0]
    steady = asyncio.run(measure(messages, RATE, processes))
    burst = asyncio.run(measure(messages, None, processes))
    table = Table(
        "what",
        f"{RATE:.0f} a second",
        "as fast as it goes",
        "target",
        title=f"{messages:,} messages, {ERRORS:.0%} tracebacks, into {processes} process(es)",
        caption=f"{PROCESSORS} processors for bot, Discord and people; {PEOPLE} people in "
        f"{GUILDS * CHANNELS} channels of {GUILDS} guilds, all limits as shipped; "
        f"load before the start {load:.1f}",
    )
    for row in _rows(steady, burst):
        table.add_row(*row)
    console.print(table)


def _rows(*both: Figures) -> list[tuple[str, ...]]:
    """The rows of the table; targets of time hold for the steady rate."""

    def row(what: str, cells: Sequence[str], target: str = "") -> tuple[str, ...]:
        return (what, *cells, target)

    return [
        row("messages in a second", [f"{one.per_second:.0f}" for one in both]),
        row("answers", [f"{len(one.taken_ms)} of {one.answerable}" for one in both], "all"),
        row(
            "lost, doubled, uncalled for",
            [f"{one.lost}, {one.doubled}, {one.uncalled}" for one in both],
            "0, 0, 0",
        ),
        row("to the answer: p50", [_ms(share(one.taken_ms, 0.5)) for one in both], _ms(MEDIAN_MS)),
        row("to the answer: p99", [_ms(share(one.taken_ms, 0.99)) for one in both], _ms(P99_MS)),
        row("to the answer: longest", [_ms(max(one.taken_ms)) for one in both]),
        row("heartbeats", [str(one.beats) for one in both]),
        row("latest heartbeat", [f"{one.latest_ms:.0f} ms late" for one in both], _ms(LATE_MS)),
        row("longest wait of an acknowledgement", [_ms(one.acknowledged_ms) for one in both]),
        row("reconnects", [str(one.reconnects) for one in both], "0"),
        row("CPU time of a message", [_ms(one.cpu_s / one.messages * 1000) for one in both]),
        row("memory", [f"{one.rss_mib:.0f} MiB" for one in both]),
    ]


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def main() -> None:
    """Print the table, for fewer messages where somebody is in a hurry."""
    parser = argparse.ArgumentParser(description="Measure what the bot carries.")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--processes", type=int, default=1, help="replicas, a shard each")
    given = parser.parse_args()
    channel(Console(), given.messages, given.processes)


if __name__ == "__main__":
    main()
