"""Puts the parts together by the settings: the one place that knows how a tutor is built."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bot.settings import Settings, SettingsError
from bot.tutor import Tutor
from knowledge.encoder import Encoder
from knowledge.library import Library
from knowledge.search import Searcher
from sandbox.devices import Devices
from sandbox.gpu_pool import GpuPool, gpu_pool
from sandbox.metrics import Measured
from sandbox.options import BrokerOptions
from sandbox.pool import Pool
from sandbox.protocol import Device
from sandbox.runner import DeviceUnavailable, Runner
from sandbox.waiting import WaitingRoom

if TYPE_CHECKING:
    from sandbox.client import Queue

REFRESH_S: Final = 2.0
"""Seconds after which a group's folder is looked at again. Looking is a few calls of stat, and
works where a file system sends no events (network drives, folders mounted into containers)."""

Job = Callable[[Tutor], Coroutine[None, None, None]]
"""Something to do with a tutor while it serves."""

_log = logging.getLogger(__name__)


def build_library(settings: Settings) -> Library:
    """All entries: the shipped ones and the group's own.

    Raises EntryError when a shipped file is broken; a broken own one is logged.
    """
    folder = settings.entries_folder()
    # The folder that nobody named need not be there.
    return Library(folder if settings.entries is not None or folder.is_dir() else None)


def build_searcher(settings: Settings, library: Library | None = None) -> Searcher:
    """The search over `library`, which is read by the settings when None. Raises EntryError."""
    entries = (library or build_library(settings)).current()
    return Searcher(entries, encoder=Encoder(settings.encoder), cache=settings.cache)


def build_pool(settings: Settings) -> Pool:
    """The sandbox of this process, not started yet."""
    return Pool(
        limits=settings.limits(),
        minimum_tier=settings.minimum_tier,
        size=settings.armed_cells,
        recycle=settings.recycle,
        concurrency=settings.concurrency,
    )


async def build_gpu_pool(settings: Settings) -> GpuPool:
    """The sandbox on this host's GPU, not started yet. Raises DeviceUnavailable."""
    return await gpu_pool(settings.gpu_options(), settings.limits(), settings.recycle)


def build_runner(settings: Settings) -> Devices | Queue:
    """What runs snippets, not started yet: a queue to workers where a broker is set.

    Raises SettingsError.
    """
    options = settings.broker_options()
    if options is None:
        return Devices(build_pool(settings), partial(build_gpu_pool, settings))
    from sandbox.client import Queue  # a third of a second that only a broker is worth

    return Queue(options, limits=settings.limits())


def _needed_broker(settings: Settings) -> BrokerOptions:
    options = settings.broker_options()
    if options is None:
        raise SettingsError(
            "A worker takes its runs from a broker, and none is set. Set TUTOR_BROKER to the "
            "address of a Redis, the same as for the bot: redis://host:6379/0, say."
        )
    return options


async def work(settings: Settings, device: Device, stopping: asyncio.Event) -> None:
    """Run snippets for clients of the broker until `stopping` is set, or the GPU is out of service.

    Raises SettingsError, and SandboxError where the broker or the device cannot be had.
    """
    from sandbox.broker import check, stream
    from sandbox.worker import Worker

    options = _needed_broker(settings)
    await check(options)
    on_gpu = await build_gpu_pool(settings) if device is Device.CUDA else None
    # A GPU is never shared: its memory cannot be parted.
    at_once = 1 if on_gpu else settings.concurrency or os.cpu_count() or 1
    async with on_gpu or build_pool(settings) as pool:
        if on_gpu is not None:
            on_gpu.when_withdrawn(stopping.set)
        measured = Measured(pool, log_snippets=settings.log_snippets)
        worker = Worker(measured, options, device, at_once=at_once)
        _log.info(
            "Worker %s takes %s from %s, %d at once, at tier %s (%s)",
            worker.name,
            stream(device),
            options.place,
            at_once,
            pool.tier,
            pool.why,
        )
        await worker.serve(stopping)
    _log.info("Worker %s has stopped", worker.name)
    if on_gpu is not None and on_gpu.out_of_service:
        raise DeviceUnavailable(device, on_gpu.out_of_service)


async def worker_is_well(settings: Settings, device: Device) -> bool:
    """Whether this host's worker for `device` gave a sign lately. Raises what `work` raises."""
    from sandbox.worker import is_well

    return await is_well(_needed_broker(settings), device)


def build_room(settings: Settings, runner: Runner) -> WaitingRoom:
    """The waiting room before a runner, whose runs are counted and logged."""
    return WaitingRoom(
        Measured(runner, log_snippets=settings.log_snippets),
        at_once=settings.concurrency or os.cpu_count() or 1,
        on_gpus=settings.gpu_concurrency,
        waiting=settings.waiting,
        per_user=settings.runs_per_user,
        waiting_per_user=settings.waiting_per_user,
    )


@asynccontextmanager
async def running_tutor(settings: Settings, *beside: Job) -> AsyncIterator[Tutor]:
    """A tutor with a started sandbox or a queue to one, which takes over changes of own entries.

    The jobs `beside` begin before the sandbox starts, which takes seconds, and end with the tutor.
    Raises EntryError, SettingsError and SandboxError.
    """
    _make_folder(settings)
    library = build_library(settings)
    runner = build_runner(settings)
    tutor = Tutor(build_searcher(settings, library), build_room(settings, runner), library)
    jobs = [asyncio.ensure_future(job(tutor)) for job in beside]
    if settings.entries_folder().is_dir() or settings.entries is not None:
        jobs.append(asyncio.ensure_future(follow(tutor)))
    try:
        async with runner:
            yield tutor
    finally:
        for job in jobs:
            job.cancel()


def _make_folder(settings: Settings) -> None:
    """Make the folder that what mentors teach goes into, unless the operator named one."""
    if settings.entries is None:
        try:
            settings.entries_folder().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.info("There is no folder for own entries: %s", error)


async def follow(tutor: Tutor, every_s: float = REFRESH_S) -> None:
    """Let `tutor` take over changes of the group's own entries until this is cancelled."""
    said = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            await tutor.refresh()
            said = ""
        except Exception as error:  # the entries that are there go on being explained
            if str(error) != said:
                said = str(error)
                _log.exception("Changed entries cannot be taken over now; trying again")
