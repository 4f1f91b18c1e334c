"""What the queue adds to a run: the same pool, asked directly and over Redis, in turns."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.table import Table

from sandbox.client import Queue
from sandbox.options import BrokerOptions
from sandbox.pool import Pool
from sandbox.protocol import Device, Snippet
from sandbox.runner import Runner
from sandbox.worker import Worker

CODE = "print(1 + 1)"
ROUNDS = 50
PAUSE_S = 0.1
_START_S = 10.0


@asynccontextmanager
async def _redis(program: str) -> AsyncIterator[BrokerOptions]:
    """A Redis of the bench's own, on a free port of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = (
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--appendonly",
            "yes",
        )
        process = await asyncio.create_subprocess_exec(
            program, *options, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await _answers(port)
            yield BrokerOptions(f"redis://127.0.0.1:{port}/0")
        finally:
            process.terminate()
            await process.wait()


async def _answers(port: int) -> None:
    """Wait until somebody listens on `port`. Raises TimeoutError."""
    async with asyncio.timeout(_START_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                _, connection = await asyncio.open_connection("127.0.0.1", port)
                connection.close()
                return
            await asyncio.sleep(0.02)


async def _time(runner: Runner) -> float:
    await asyncio.sleep(PAUSE_S)
    begun = time.perf_counter()
    await runner.run(Snippet(code=CODE))
    return time.perf_counter() - begun


async def _measure(program: str) -> tuple[float, float]:
    """The median seconds of a run that is asked for directly, and of one over Redis."""
    direct, over = [], []
    stopping = asyncio.Event()
    async with Pool() as pool, _redis(program) as options:
        worker = Worker(pool, options, Device.CPU, at_once=2)
        serving = asyncio.create_task(worker.serve(stopping))
        try:
            async with Queue(options) as queued:
                await queued.run(Snippet(code=CODE))
                for _ in range(ROUNDS):
                    direct.append(await _time(pool))
                    over.append(await _time(queued))
        finally:
            stopping.set()
            await serving
    return statistics.median(direct), statistics.median(over)


def queue(table: Table) -> None:
    """Two rows: a trivial run without and with the queue."""
    what = "trivial run over the queue"
    program = shutil.which("redis-server")
    if program is None:
        table.add_row(what, "not measured: redis-server is not installed", "")
        return
    direct, over = asyncio.run(_measure(program))
    table.add_row("trivial run without a queue", f"{direct * 1000:.1f} ms", "1")
    table.add_row(what, f"{over * 1000:.1f} ms", f"{over / direct:.1f} x as long")
