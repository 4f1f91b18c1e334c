"""What the attacks share: a way to run one, and words that it can use."""

from __future__ import annotations

import textwrap

from sandbox.pool import Pool
from sandbox.protocol import Result, Snippet

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


async def attack(pool: Pool, code: str, **limits: float) -> Result:
    """Run `code` with the words of the prelude."""
    changed = pool._limits.model_copy(update=limits)
    return await pool.run(Snippet(code=PRELUDE + textwrap.dedent(code)), changed)


async def says(pool: Pool, code: str, **limits: float) -> list[str]:
    """The lines that an attack prints; it must go on to its end."""
    result = await attack(pool, code, **limits)
    assert result.status == "ok", result
    return result.stdout.splitlines()
