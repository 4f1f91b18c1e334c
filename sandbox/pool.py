"""Keeps cells armed, hands each snippet to one of them, and restarts what dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys

from sandbox import cgroup, folder, kernel, landlock, metrics, probe, wire
from sandbox.fitness import unfit
from sandbox.parent import Parent, ParentError
from sandbox.protocol import Device, Limits, Result, Snippet, Status, Tier
from sandbox.reserve import Reserve
from sandbox.run import Cell, CellError, Overseer, Seen
from sandbox.runner import DeviceUnavailable, SandboxError, Watch
from sandbox.service import Service
from sandbox.verdict import judge

_SLOTS = 4095
_BEFORE_SECOND_TRY_S = 0.1
_CLOSE_S = 15.0
_REMEDY = (
    "Run as root, or allow unprivileged user namespaces (sysctl "
    "kernel.unprivileged_userns_clone=1, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker the seccomp profile of this project "
    "and systempaths=unconfined), on Linux 5.13 or later with Landlock. "
    "Where that cannot be, a minimum tier of `floor` accepts weaker walls."
)


class Pool(Service):
    """Runs snippets in single-use cells. Use as an asynchronous context manager.

    `size` cells wait armed (with 0, one after each call of `arm`); `concurrency` run at once, the
    others queue in order of arrival.
    After `recycle` cells the zygote is replaced by a fresh one, without a gap. `maximum_tier` keeps
    a stronger tier from being tried, for hosts where that is known to hang or to be unwanted.
    Without `scenes` nothing is told of what a failing line saw: to measure what that costs.
    With `cuda` each cell owns a context on that GPU, and only snippets for CUDA are taken; such
    cells have walls of the floor tier only.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        minimum_tier: Tier = Tier.STRONG,
        maximum_tier: Tier = Tier.STRONG,
        size: int = 2,
        concurrency: int | None = None,
        recycle: int = 2000,
        scenes: bool = True,
        cuda: wire.Cuda | None = None,
    ) -> None:
        self.device = Device.CPU if cuda is None else Device.CUDA
        self.tier = Tier.NONE
        self.why = "not started"
        self.limits = limits or Limits()
        """Of a run that brings none; what is armed has these walls."""
        self._minimum, self._maximum = minimum_tier, maximum_tier
        self._turns = asyncio.Semaphore(concurrency or os.cpu_count() or 1)
        self._recycle = recycle
        self._scenes = scenes
        self._cuda = cuda
        self._slots = itertools.cycle(range(1, _SLOTS))
        self._armed = Reserve(size, self.limits, self._make_ahead, self._discard)
        self._live: set[Cell] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._parent: Parent | None = None
        self._parents: set[Parent] = set()
        self._replacing = asyncio.Lock()
        self._succession: asyncio.Task[None] | None = None
        self._cgroups = cgroup.Cgroups({}, cgroup.VERSION_2)
        self._discarding: set[asyncio.Task[None]] = set()
        self._closing = False

    # --- Starting and closing ---------------------------------------------------------------------

    async def start(self) -> None:
        """Warm up at the strongest tier that holds, and test its walls.

        Raises SandboxError when that is below the minimum tier.
        """
        self._closing = False
        if sys.platform != "linux" or not kernel.supported():
            raise SandboxError(
                "The sandbox needs Linux on x86-64 or ARM64. "
                "Run the worker there (docker-compose.yml has one)."
            )
        problems: list[str] = []
        for tier in (Tier.STRONG, Tier.FLOOR):
            if max(self._minimum.rank, Tier.FLOOR.rank) <= tier.rank <= self._maximum.rank:
                try:
                    await self._start_at(tier)
                except (ParentError, CellError, OSError) as problem:
                    problems.append(f"tier {tier}: {problem}")
                    await self._shut()
                except BaseException:
                    await self._shut()
                    raise
                else:
                    self.why = "; ".join([self.why, *problems])
                    self._armed.refill()
                    return
        self.tier, self.why = Tier.NONE, "; ".join(problems)
        raise SandboxError(
            f"The sandbox cannot reach tier {self._minimum} here ({self.why}). {_REMEDY}"
        )

    async def _start_at(self, tier: Tier) -> None:
        abi = kernel.landlock_abi()
        least = 1 if tier is Tier.STRONG else landlock.FLOOR_ABI
        if abi < least:
            raise CellError(f"Landlock of version {least} is needed, the kernel has {abi}")
        self.tier = tier
        folder.sweep()
        self._cgroups = cgroup.find()
        self._parent = await self._new_parent()
        with probe.attempts(self.device) as snippet:
            faults = probe.faults(await self._attempt(snippet, self.limits))
        if faults:
            raise CellError(f"the walls do not hold, a snippet could: {'; '.join(faults)}")
        spaces = "own namespaces, read-only view, " if tier is Tier.STRONG else ""
        metrics.TIER.labels(self.device).state(tier.value)
        metrics.ARMED.labels(self.device).set_function(lambda: len(self._armed))
        self.why = f"{spaces}Landlock {abi}, seccomp, rlimits; {self._cgroups.why}"

    async def close(self) -> None:
        """End every run and leave no process, file or control group behind."""
        self._closing = True
        await self._shut()

    async def _shut(self) -> None:
        if self._succession is not None:
            self._succession.cancel()
            await asyncio.gather(self._succession, return_exceptions=True)
        self._succession = None
        await self._armed.stop()
        for cell in tuple(self._live):
            cell.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._idle.wait()
        for parent in tuple(self._parents):
            await parent.stop()
        self._parents.clear()
        self._parent = None
        await asyncio.to_thread(self._cgroups.close)

    # --- Running ----------------------------------------------------------------------------------

    async def run(
        self,
        snippet: Snippet,
        limits: Limits | None = None,
        *,
        watch: Watch | None = None,
        overseer: Overseer | None = None,
    ) -> Result:
        """Run `snippet` in a cell of its own and tell what happened.

        Raises DeviceUnavailable for another device than the pool's, SandboxError when the pool
        is not started. Everything that a snippet can do ends in a Result. `watch` hears what the
        snippet prints while it runs; `overseer` may end it. Cancelling kills the cell and comes
        back when it is gone.
        """
        limits = limits or self.limits
        if self._parent is None or self._closing:
            raise SandboxError("The sandbox is not started. Start the pool first.")
        if snippet.device is not self.device:
            raise DeviceUnavailable(
                snippet.device,
                f"This sandbox runs snippets on {self.device} only; use --device {self.device}.",
            )
        if (refused := unfit(snippet, limits, self.tier)) is not None:
            return refused
        async with self._turns:
            return await self._attempt(snippet, limits, watch, overseer)

    async def arm(self, limits: Limits | None = None) -> None:
        """Have a cell with these walls wait, in the place of any others. Raises SandboxError."""
        limits = limits or self.limits
        if not self._armed.holds(limits):
            await self._armed.clear()
            try:
                self._armed.put(await self._make(limits))
            except (CellError, ParentError) as problem:
                raise SandboxError(f"The sandbox could not make a cell: {problem}.") from problem

    async def _attempt(
        self,
        snippet: Snippet,
        limits: Limits,
        watch: Watch | None = None,
        overseer: Overseer | None = None,
    ) -> Result:
        try:
            cell = await self._take(limits)
        except (CellError, ParentError) as problem:
            lost = f"The sandbox could not make a cell for this run: {problem}. Try again."
            return Result(status=Status.INTERNAL, tier=self.tier, detail=lost)
        try:
            seen: Seen = await cell.run(
                snippet, limits, scene=self._scenes, watch=watch, overseer=overseer
            )
            if seen.lost:
                # What ended this cell has most likely ended those that wait beside it.
                await self._armed.clear()
        except BaseException:
            # Nobody waits for a result; but nothing of the run is left when this comes back.
            await asyncio.shield(self._discard(cell))
            raise
        finally:
            self._armed.refill()
        # All its processes are gone already: what is left of it need not keep the result waiting.
        self._discard(cell)
        return judge(seen, self.tier, limits, self.device)

    async def _take(self, limits: Limits) -> Cell:
        """An armed cell with these walls, made now when none waits.

        Raises CellError, ParentError.
        """
        return await self._armed.take(limits) or await self._make(limits)

    async def _make_ahead(self, calm: bool) -> Cell | None:
        """A cell for the reserve; None when it could not be made: the next run is told why."""
        try:
            # A rehearsal takes longer than a small run: not while runs wait for the processors.
            return await self._make(self.limits, rehearsed=calm and not self._turns.locked())
        except (CellError, ParentError):
            return None

    async def _make(self, limits: Limits, *, rehearsed: bool = False) -> Cell:
        try:
            cell = await self._make_once(limits, rehearsed)
        except CellError:
            # The zygote may have died under it; then the second try is with a fresh one.
            await asyncio.sleep(_BEFORE_SECOND_TRY_S)
            cell = await self._make_once(limits, rehearsed)
        return cell

    async def _make_once(self, limits: Limits, rehearsed: bool) -> Cell:
        parent = await self._current_parent()
        slot = next(self._slots)
        cell = await Cell.make(
            parent, self.tier, limits, slot, self._cgroups, self._cuda, rehearsed=rehearsed
        )
        self._live.add(cell)
        self._idle.clear()
        return cell

    async def _current_parent(self) -> Parent:
        """The zygote; one that died is replaced first, one that forked enough in the meantime."""
        parent = self._parent
        if parent is None or self._closing:
            raise ParentError("the pool is closed")
        if not parent.alive:
            return await self._replace(parent)
        if parent.made >= self._recycle and self._succession is None:
            self._succession = asyncio.create_task(self._succeed(parent))
        return parent

    async def _succeed(self, parent: Parent) -> None:
        """Warm up a successor, while `parent` goes on making cells."""
        try:
            with contextlib.suppress(ParentError):
                await self._replace(parent)
        finally:
            self._succession = None

    async def _replace(self, parent: Parent) -> Parent:
        """The zygote after `parent`. Raises ParentError."""
        async with self._replacing:
            if self._parent is parent:
                self._parent = await self._new_parent()
                parent.retired = True
                if not parent.alive or parent.live == 0:
                    await parent.stop()
        if self._parent is None:
            raise ParentError("the pool is closed")
        return self._parent

    async def _new_parent(self) -> Parent:
        fresh = await Parent.start(self.tier)
        if self._closing:
            await fresh.stop()
            raise ParentError("the pool is closed")
        self._parents = {parent for parent in self._parents if parent.alive} | {fresh}
        return fresh

    def _discard(self, cell: Cell) -> asyncio.Task[None]:
        """End a cell in the background, and leave nothing of it."""
        discarding = asyncio.create_task(self._end(cell))
        self._discarding.add(discarding)
        discarding.add_done_callback(self._discarding.discard)
        return discarding

    async def _end(self, cell: Cell) -> None:
        try:
            await cell.close()
        finally:
            self._live.discard(cell)
            if not self._live:
                self._idle.set()
