"""The waiting room before the sandbox: who runs next, who waits where, who is sent away."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from sandbox import metrics
from sandbox.protocol import Device
from sandbox.runner import Progress, Runner, SandboxError, Watch


@dataclass(frozen=True)
class Asker:
    """On whose behalf something is run: a person, and the group (a Discord guild) they are in."""

    group: str = ""
    user: str = ""


NOBODY = Asker()
"""Whoever runs the command line: one asker among the others."""


class Reason(StrEnum):
    """Why a request is not accepted."""

    YOURS = "yours"
    """This user has as many requests waiting as one user may."""
    ALL = "all"
    """The room is full."""


class TooManyRuns(SandboxError):
    """A request that was not accepted; nothing of it is kept."""

    def __init__(self, reason: Reason, most: int) -> None:
        whose = "You have" if reason is Reason.YOURS else "The sandbox has"
        super().__init__(
            f"{whose} {most} requests waiting already, which is the limit. "
            "Try again when one of them has ended."
        )
        self.reason, self.most = reason, most


@dataclass(eq=False)
class _Ticket:
    asker: Asker
    watch: Watch | None
    called: asyncio.Future[None]
    ahead: int = -1


@dataclass
class _Line:
    """Those who wait for one device. Groups take turns, and within a group its users do."""

    free: int
    groups: dict[str, dict[str, deque[_Ticket]]] = field(default_factory=dict)
    running: Counter[Asker] = field(default_factory=Counter)

    def waiting(self) -> int:
        return sum(len(line) for users in self.groups.values() for line in users.values())

    def add(self, ticket: _Ticket) -> None:
        users = self.groups.setdefault(ticket.asker.group, {})
        users.setdefault(ticket.asker.user, deque()).append(ticket)

    def remove(self, ticket: _Ticket) -> None:
        users = self.groups[ticket.asker.group]
        line = users[ticket.asker.user]
        line.remove(ticket)
        if not line:
            del users[ticket.asker.user]
        if not users:
            del self.groups[ticket.asker.group]

    def take(self, most_running: int) -> _Ticket | None:
        """The next whose turn it is and who may run; their group and they go to the end."""
        for group, users in self.groups.items():
            for user, line in users.items():
                if self.running[line[0].asker] >= most_running:
                    continue
                ticket = line[0]
                users[user] = users.pop(user)
                self.groups[group] = self.groups.pop(group)
                self.remove(ticket)
                return ticket
        return None

    def in_order(self) -> Iterator[_Ticket]:
        """All who wait, in the order in which they will be called."""
        groups = deque(
            deque(deque(line) for line in users.values()) for users in self.groups.values()
        )
        while groups:
            users = groups.popleft()
            line = users.popleft()
            yield line.popleft()
            if line:
                users.append(line)
            if users:
                groups.append(users)


class WaitingRoom:
    """Lets requests in to a runner by turns, fair between groups and between users.

    A request may need several runs (a repair tries several edits); it takes one turn for all of
    them, so that what was accepted is not refused half-way. `at_once` requests have their turn at
    the same time on processors and `on_gpus` on GPUs, `per_user` of one user; of one user
    `waiting_per_user` more may wait, of all together `waiting`. Whoever comes beyond that is
    refused in words.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        at_once: int,
        on_gpus: int = 1,
        waiting: int = 200,
        per_user: int = 1,
        waiting_per_user: int = 3,
    ) -> None:
        self._runner = runner
        self._most, self._per_user, self._most_of_user = waiting, per_user, waiting_per_user
        self._lines = {Device.CPU: _Line(at_once), Device.CUDA: _Line(on_gpus)}
        for device in Device:
            metrics.WAITING.labels(device).set_function(partial(self.waiting, device))

    @asynccontextmanager
    async def turn(
        self, asker: Asker = NOBODY, device: Device = Device.CPU, watch: Watch | None = None
    ) -> AsyncIterator[Runner]:
        """Wait for a turn and hold it; inside, the runner is the asker's to use.

        `watch` hears how many come before, and then that it runs. Cancelling takes the asker out
        of the line. Raises TooManyRuns.
        """
        line = self._lines[device]
        begun = time.monotonic()
        try:
            await self._wait(line, asker, watch)
        except TooManyRuns as refusal:
            metrics.REFUSED.labels(device, refusal.reason).inc()
            raise
        metrics.WAIT_SECONDS.labels(device).observe(time.monotonic() - begun)
        try:
            if watch is not None:
                watch(Progress(0, running=True))
            yield self._runner
        finally:
            self._leave(line, asker)

    def waiting(self, device: Device) -> int:
        """How many requests wait for a device."""
        return self._lines[device].waiting()

    async def _wait(self, line: _Line, asker: Asker, watch: Watch | None) -> None:
        mine = line.groups.get(asker.group, {}).get(asker.user, ())
        must_wait = line.free <= 0 or line.running[asker] >= self._per_user or bool(mine)
        if must_wait and len(mine) >= self._most_of_user:
            raise TooManyRuns(Reason.YOURS, self._most_of_user)
        if must_wait and line.waiting() >= self._most:
            raise TooManyRuns(Reason.ALL, self._most)
        ticket = _Ticket(asker, watch, asyncio.get_running_loop().create_future())
        line.add(ticket)
        self._call(line)
        try:
            await ticket.called
        except asyncio.CancelledError:
            if ticket.called.done() and not ticket.called.cancelled():
                self._leave(line, asker)
            else:
                line.remove(ticket)
                self._tell(line)
            raise

    def _leave(self, line: _Line, asker: Asker) -> None:
        line.free += 1
        line.running[asker] -= 1
        if not line.running[asker]:
            del line.running[asker]
        self._call(line)

    def _call(self, line: _Line) -> None:
        """Call as many as there is room for, and tell the others where they stand."""
        while line.free > 0 and (ticket := line.take(self._per_user)) is not None:
            line.free -= 1
            line.running[ticket.asker] += 1
            ticket.called.set_result(None)
        self._tell(line)

    def _tell(self, line: _Line) -> None:
        for ahead, ticket in enumerate(line.in_order()):
            if ticket.ahead != ahead:
                ticket.ahead = ahead
                if ticket.watch is not None:
                    ticket.watch(Progress(ahead))
