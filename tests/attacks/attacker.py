"""What the attacks share: who is attacked, a way to run an attack, and words that it can use."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from sandbox import kernel, landlock
from sandbox.pool import Pool
from sandbox.protocol import Limits, Result, Snippet, Tier
from sandbox.runner import SandboxError
from sandbox.seccomp import numbers

LIMITS = Limits(wall_s=10.0, memory_mib=384, scratch_mib=8, processes=24)

PRELUDE = """\
import ctypes, errno, os, platform, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *args):
    "A raw system call: its value, or the name of the error."
    ctypes.set_errno(0)
    args = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    value = libc.syscall(ctypes.c_long(number), *args)
    return errno.errorcode[ctypes.get_errno()] if value < 0 else value

def attempt(function, *args):
    "What became of a call: its value, or the name of the error."
    try:
        return function(*args)
    except OSError as problem:
        return errno.errorcode.get(problem.errno, str(problem))
"""
_NUMBERS = f"NUMBER = {numbers(kernel.MACHINE)}\n" if kernel.supported() else ""
"""System-call numbers by name, for the attacks that ask for them."""


class Ward(StrEnum):
    """Walls to attack, and by whom they were built."""

    STRONG = "strong"
    """The strong tier, built by root."""
    UNPRIVILEGED = "strong, unprivileged"
    """The strong tier, built by a user without rights."""
    FLOOR = "floor"
    """The floor tier, for a user without rights."""

    @property
    def tier(self) -> Tier:
        """The walls."""
        return Tier.FLOOR if self is Ward.FLOOR else Tier.STRONG


class Target(Protocol):
    """A pool behind walls of one tier: in this process, or in one of another user's."""

    tier: Tier

    async def run(self, snippet: Snippet, limits: Limits | None = None) -> Result:
        """Run a snippet, as Pool does."""


class Unavailable(Exception):
    """This host cannot build such walls; the message says why."""


class Elsewhere:
    """A pool in a process of a user without rights, asked over pipes (remote.py)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.tier = Tier.NONE
        self._process = process
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._numbers = itertools.count()
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Wait until it serves. Raises Unavailable."""
        first = json.loads(await self._line() or '{"why": "the process ended"}')
        if "tier" not in first:
            await self._process.wait()
            raise Unavailable(first["why"])
        self.tier = Tier(first["tier"])
        self._listening = asyncio.create_task(self._listen())

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            return b""
        return await self._process.stdout.readline()

    async def _listen(self) -> None:
        while line := await self._line():
            answer = json.loads(line)
            result = Result.model_validate_json(json.dumps(answer["result"]))
            self._waiting.pop(answer["number"]).set_result(result)
        for future in self._waiting.values():
            future.set_exception(SandboxError("the pool's process ended"))

    async def run(self, snippet: Snippet, limits: Limits | None = None) -> Result:
        """Run a snippet, as Pool does."""
        if self._process.stdin is None:
            raise SandboxError("the pool's process is not connected")
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        order = {
            "number": number,
            "snippet": snippet.model_dump(mode="json"),
            "limits": (limits or LIMITS).model_dump(mode="json"),
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self._waiting[number]

    async def close(self) -> None:
        """End the process; its pool closes in order."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        if self._listening is not None:
            await self._listening


@asynccontextmanager
async def guarding(ward: Ward, **environment: str) -> AsyncIterator[Target]:
    """A pool of its own behind these walls. Raises Unavailable, with the reason, before it starts.

    `environment` stands in the environment of the process that has the pool, while it has it.
    """
    root = os.geteuid() == 0
    if ward is Ward.STRONG and not root:
        raise Unavailable("walls that root builds, and these tests do not run as root")
    if ward is Ward.FLOOR and kernel.landlock_abi() < landlock.FLOOR_ABI:
        raise Unavailable(f"the floor tier needs Landlock {landlock.FLOOR_ABI}")
    if root and ward is not Ward.STRONG:
        async with _elsewhere(ward.tier, environment) as target:
            yield target
        return
    os.environ.update(environment)
    try:
        pool = Pool(limits=LIMITS, minimum_tier=ward.tier, maximum_tier=ward.tier)
        try:
            await pool.start()
        except SandboxError as problem:
            raise Unavailable(str(problem)) from problem
        try:
            yield pool
        finally:
            await pool.close()
    finally:
        for name in environment:
            del os.environ[name]


@asynccontextmanager
async def _elsewhere(tier: Tier, environment: dict[str, str]) -> AsyncIterator[Target]:
    import nobody

    process = await asyncio.create_subprocess_exec(
        *nobody.command(Path(__file__).with_name("remote.py").read_text("utf-8")),
        env={
            **nobody.environment(),
            **environment,
            "ATTACKED_TIER": tier.value,
            "ATTACKED_LIMITS": LIMITS.model_dump_json(),
        },
        cwd="/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 28,
    )
    target = Elsewhere(process)
    try:
        await target.start()
        yield target
    finally:
        with contextlib.suppress(ProcessLookupError):
            await target.close()


async def attack(target: Target, code: str, **limits: float) -> Result:
    """Run `code` with the words of the prelude."""
    code = textwrap.dedent(code)
    table = _NUMBERS if "NUMBER" in code else ""
    return await target.run(Snippet(code=PRELUDE + table + code), LIMITS.model_copy(update=limits))


async def says(target: Target, code: str, **limits: float) -> list[str]:
    """The lines that an attack prints; it must go on to its end."""
    result = await attack(target, code, **limits)
    assert result.status == "ok", result
    return result.stdout.splitlines()


async def serves(target: Target) -> bool:
    """Whether the next run finds the sandbox in order."""
    return await says(target, "print('next')") == ["next"]


def host_paths() -> list[str]:
    """Folders that tell where this host keeps its things."""
    root = str(Path(__file__).parents[2])
    return sorted({root, sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix)} - {"/usr"})
