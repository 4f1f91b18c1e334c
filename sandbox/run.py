"""The pool's side of one cell: order it, give it its one job, watch it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sandbox import view, wire
from sandbox.cell import NAMESPACES
from sandbox.cgroup import Cgroups, Group
from sandbox.folder import Folder
from sandbox.harvest import harvest
from sandbox.parent import Parent, ParentError
from sandbox.protocol import Limits, OutputFile, Snippet, Status, Tier
from sandbox.runner import Watch
from sandbox.stream import Live, Stream

_ARM_S, _ARM_CUDA_S = 20.0, 90.0
_LAST_WORD_S = 1.0
_DEATH_S = 10.0
_DRAIN_S = 2.0


class CellError(Exception):
    """A cell could not be made."""


class Cut(Enum):
    """Why the pool ended a run itself."""

    NO = "no"
    TIMEOUT = "timeout"
    OUTPUT = "output"
    OVERSEER = "overseer"


@dataclass(frozen=True)
class Sentence:
    """What an overseer ends a run with: its status, and why in words."""

    status: Status
    detail: str


Overseer = Callable[[], Awaitable[Sentence]]
"""Watches a run from outside its cell; comes back only when the run has to end."""


@dataclass
class Seen:
    """What the pool saw of a run."""

    cut: Cut = Cut.NO
    sentence: Sentence | None = None
    """The overseer's, where it cut the run."""
    ending: wire.Ending | None = None
    report: wire.GuestReport | None = None
    wall_s: float = 0.0
    out_of_memory: bool = False
    peak_mib: float | None = None
    files: tuple[OutputFile, ...] = ()
    skipped: tuple[str, ...] = ()
    stdout: Stream = field(default_factory=lambda: Stream(0))
    stderr: Stream = field(default_factory=lambda: Stream(0))

    @property
    def lost(self) -> bool:
        """True when the cell vanished without a word and nobody wanted it to."""
        return self.ending is None and self.cut is Cut.NO and not self.out_of_memory


class Cell:
    """An armed cell: forked, walled in, waiting for its one job."""

    def __init__(self, parent: Parent, tier: Tier, limits: Limits, group: Group) -> None:
        self.limits = limits
        self._parent = parent
        self._tier = tier
        self._group = group
        self._pidfd = -1
        self._scratch = -1
        self._folder: Folder | None = None
        self._closed = False
        ours, self._control_end = socket.socketpair()
        self._control = wire.Channel(ours)
        self._job, self._job_end = socket.socketpair()
        self._job.setblocking(False)
        self._pipes = [*os.pipe(), *os.pipe()]
        parent.live += 1

    @classmethod
    async def make(
        cls,
        parent: Parent,
        tier: Tier,
        limits: Limits,
        slot: int,
        cgroups: Cgroups,
        cuda: wire.Cuda | None = None,
        *,
        rehearsed: bool = False,
    ) -> Cell:
        """Order a cell and wait until its walls stand, and its CUDA context. Raises CellError."""
        patience = _ARM_S if cuda is None else _ARM_CUDA_S
        try:
            group = cgroups.group(f"cell-{time.monotonic_ns():x}-{slot}")
        except OSError as problem:
            raise CellError(f"no control group: {problem}") from problem
        cell = cls(parent, tier, limits, group)
        try:
            # Nobody tried what a GPU's driver makes of a keeper.
            keeper = tier is Tier.STRONG and cuda is None
            processes = limits.processes + (2 if keeper else 1)  # the guard and the keeper
            group.limit(limits.memory_mib, processes)
            async with asyncio.timeout(patience):
                await cell._arm(slot, cuda, rehearsed, keeper, processes)
        except BaseException as problem:
            await cell.close()
            if isinstance(problem, TimeoutError):
                raise CellError(f"a cell was not ready within {patience:.0f} s") from problem
            if isinstance(problem, OSError | ParentError | wire.WireError | ValidationError):
                raise CellError(str(problem)) from problem
            raise
        return cell

    async def _arm(
        self, slot: int, cuda: wire.Cuda | None, rehearsed: bool, keeper: bool, processes: int
    ) -> None:
        scratch, temporary = view.SCRATCH, "/tmp"  # noqa: S108 - inside the cell
        if self._tier is not Tier.STRONG:
            self._folder = Folder()
            scratch, temporary = self._folder.work, self._folder.temporary
        entrances = self._group.open_entrances()
        arm = wire.Arm(
            tier=self._tier,
            limits=self.limits,
            slot=slot,
            scratch=scratch,
            temporary=temporary,
            cgroups=len(entrances),
            watch_memory=not self._group.counts_memory,
            processes=processes,
            keeper=keeper,
            cuda=cuda,
            rehearsed=rehearsed,
        )
        sent = [self._control_end.fileno(), self._job_end.fileno(), self._pipes[1], self._pipes[3]]
        try:
            await self._parent.order(arm, sent + entrances)
        finally:
            for fd in (self._pipes[1], self._pipes[3], *entrances):
                os.close(fd)
            self._pipes[1] = self._pipes[3] = -1
            self._control_end.close()
            self._job_end.close()
        message = wire.to_pool.validate_json(await self._control.receive())
        if isinstance(message, wire.Failed):
            raise CellError(message.why)
        fds = self._control.fds
        if not isinstance(message, wire.Armed) or len(fds) != 1 + (self._tier is Tier.STRONG):
            raise CellError("a cell spoke out of turn")
        self._pidfd = fds.pop(0)
        if self._tier is Tier.STRONG:
            self._scratch = fds.pop(0)
            _check_namespaces(message.namespaces)

    @property
    def ready(self) -> bool:
        """False when the cell died while it waited."""
        watch = select.poll()
        watch.register(self._pidfd, select.POLLIN)
        return not self._closed and not watch.poll(0)

    async def run(
        self,
        snippet: Snippet,
        limits: Limits,
        *,
        scene: bool = True,
        watch: Watch | None = None,
        overseer: Overseer | None = None,
    ) -> Seen:
        """Give the cell its job and watch it to the end of all its processes.

        `scene` asks the guest for what a failing line saw; `watch` hears what it prints;
        `overseer` may end it.
        """
        seen = Seen(stdout=Stream(limits.output_bytes), stderr=Stream(limits.output_bytes))
        flood = asyncio.Event()
        live = None if watch is None else Live(watch)
        seen.stdout.attach(self._pipes[0], flood, None if live is None else live.hear)
        seen.stderr.attach(self._pipes[2], flood)
        self._pipes[0] = self._pipes[2] = -1
        self._group.forget_peak()
        begun = time.monotonic()
        told = asyncio.create_task(self._tell(snippet, limits, seen, scene))
        flooded = asyncio.create_task(flood.wait())
        overseen = None if overseer is None else asyncio.ensure_future(overseer())
        waiting: set[asyncio.Future[Any]] = {told, flooded}
        if overseen is not None:
            waiting.add(overseen)
        try:
            if live is not None:
                live.begin()
            await asyncio.wait(waiting, timeout=limits.wall_s, return_when=asyncio.FIRST_COMPLETED)
            if not told.done():
                seen.cut = Cut.OUTPUT if flood.is_set() else Cut.TIMEOUT
                if overseen is not None and overseen.done():
                    seen.cut, seen.sentence = Cut.OVERSEER, overseen.result()
                await self._stop(told)
            elif flood.is_set():
                seen.cut = Cut.OUTPUT
            seen.wall_s = time.monotonic() - begun
            if seen.ending is None:
                # Otherwise the guard told it when nothing but itself could write any more.
                await self._dead()
                await asyncio.gather(seen.stdout.end(_DRAIN_S), seen.stderr.end(_DRAIN_S))
            seen.stdout.drain()
            seen.stderr.drain()
            if flood.is_set() and seen.cut is Cut.NO:
                seen.cut = Cut.OUTPUT
            seen.out_of_memory = self._group.out_of_memory()
            seen.peak_mib = self._group.peak_mib()
            await self._gather_files(seen, limits)
        finally:
            if live is not None:
                live.close()
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            seen.stdout.close()
            seen.stderr.close()
        return seen

    async def _tell(self, snippet: Snippet, limits: Limits, seen: Seen, scene: bool) -> None:
        """Send the job and wait for the guard's word; without one, `seen.ending` stays None."""
        # Only a backstop, should this process be asleep at the deadline.
        cpu_s = math.ceil(limits.wall_s) * (os.cpu_count() or 1) + 2
        order = wire.Job(
            code=snippet.code,
            cpu_s=cpu_s,
            watch=snippet.watch,
            check=snippet.check,
            simulate_cuda=snippet.simulate_cuda,
            scene=scene,
        )
        job = wire.frame(order)
        with contextlib.suppress(wire.WireError, ValidationError, OSError):
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(self._job, job)
            message = wire.to_pool.validate_json(await self._control.receive())
            if isinstance(message, wire.Ending):
                seen.ending = message
                report = await self._control.receive()
                seen.report = wire.GuestReport.model_validate_json(report)

    async def _stop(self, told: asyncio.Task[None]) -> None:
        with contextlib.suppress(wire.WireError):
            await self._control.send(wire.Stop())
        await asyncio.wait({told}, timeout=_LAST_WORD_S)

    async def _dead(self) -> None:
        """Wait until every process of the cell is gone."""
        if self._pidfd < 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORD_S):
                await wire.readable(self._pidfd)
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DEATH_S):
                await wire.readable(self._pidfd)

    async def _gather_files(self, seen: Seen, limits: Limits) -> None:
        if self._folder is not None:
            self._scratch = self._folder.open_work()
        with os.scandir(self._scratch) as entries:
            if next(entries, None) is None:
                return
        seen.files, seen.skipped = await asyncio.to_thread(harvest, self._scratch, limits)

    def kill(self) -> None:
        """End the cell now, whatever it does; `run` then comes back."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """Leave nothing behind: no process, descriptor, folder, or control group."""
        if self._closed:
            return
        self._closed = True
        self.kill()
        self._control.close()
        for sock in (self._control_end, self._job, self._job_end):
            sock.close()
        await self._dead()
        for fd in (*self._pipes, self._pidfd, self._scratch):
            if fd >= 0:
                os.close(fd)
        self._pidfd = -1
        await asyncio.to_thread(self._clean)
        self._parent.live -= 1
        if self._parent.retired and self._parent.live == 0:
            await self._parent.stop()

    def _clean(self) -> None:
        if self._folder is not None:
            self._folder.remove()
        self._group.remove()


def _check_namespaces(theirs: dict[str, int]) -> None:
    """Raises CellError unless each of the cell's namespaces is its own."""
    shared = [
        name
        for name in NAMESPACES
        if theirs.get(name) in (None, Path(f"/proc/self/ns/{name}").stat().st_ino)
    ]
    if shared:
        raise CellError(f"a cell shares the {', '.join(shared)} namespace with this process")
