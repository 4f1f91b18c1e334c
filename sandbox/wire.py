"""What the pool, a zygote and its cells say to one another: JSON in length-prefixed frames.

Everything that comes from a cell is read as from a stranger: bounded in size, parsed strictly.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
import struct
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from sandbox.protocol import (
    FINDINGS_AT_MOST,
    WATCHED_AT_MOST,
    ExceptionReport,
    Finding,
    Frozen,
    Limits,
    Scene,
    Tier,
)

MAX_FRAME = 8 * 1024 * 1024
MAX_REPORT = 2 * 1024 * 1024
"""Room for the guest's own report, in bytes."""
_LONGEST_TEXT, _LONGEST_TRACEBACK = 21_000, 61_000
"""Characters of an exception's type and message, and of its traceback: what a guest tells, and the
words about what it left out."""
_MAX_FDS = 12
_HEADER = struct.Struct("!I")


class WireError(Exception):
    """The other side broke the protocol or went away."""


class Cuda(Frozen):
    """The GPU of a cell, and how much of it."""

    uuid: Annotated[str, Field(pattern=r"^GPU-[0-9a-fA-F-]{1,64}$")]
    node: Annotated[int, Field(ge=0, lt=4096)]
    """The number of its device node, /dev/nvidia<node>."""
    fraction: Annotated[float, Field(gt=0, le=1)]
    """How much of its memory torch may take."""


class Arm(Frozen):
    """Pool to zygote: make a cell. With it travel its control socket, its job socket, the write
    ends for stdout and stderr, then cgroup.procs files."""

    kind: Literal["arm"] = "arm"
    tier: Tier
    limits: Limits
    slot: Annotated[int, Field(ge=1, lt=4096)]
    scratch: str
    """The working directory as the cell sees it."""
    temporary: str
    """The folder for temporary files as the cell sees it."""
    cgroups: Annotated[int, Field(ge=0, le=8)]
    watch_memory: bool
    """True when no cgroup counts memory, so that the cell's guard has to."""
    processes: Annotated[int, Field(ge=2)]
    """How many processes there may be: the snippet's, the guard, and the keeper, if any."""
    keeper: bool
    """True to tell the end of the run before its memory is freed."""
    rehearsed: bool = False
    """True to take the time, before the cell says that it is armed, to make training quick."""
    cuda: Cuda | None = None
    """The GPU of which the cell makes itself a context, before it says that it is armed."""


class Ready(Frozen):
    """Zygote to pool: warm, and waiting for `Arm`."""

    kind: Literal["ready"] = "ready"
    torch: str


class Failed(Frozen):
    """Zygote or cell to pool: could not be made, and why."""

    kind: Literal["failed"] = "failed"
    why: str


class Armed(Frozen):
    """Cell to pool: walled in and waiting for a job. With it travel a pidfd of the cell's guard
    and, at the strong tier, the scratch directory."""

    kind: Literal["armed"] = "armed"
    namespaces: dict[str, int]
    """Inode numbers of the cell's namespaces, by name."""


class Job(Frozen):
    """Pool to guest: the snippet."""

    kind: Literal["job"] = "job"
    code: str
    cpu_s: Annotated[int, Field(ge=1)]
    """CPU seconds after which the kernel ends the cell, should everything else fail."""
    watch: Annotated[tuple[int, ...], Field(max_length=WATCHED_AT_MOST)] = ()
    check: bool = False
    simulate_cuda: bool = False
    scene: bool = True
    """False to tell nothing of what a failing line saw, and to prepare nothing for it."""


class Stop(Frozen):
    """Pool to a cell's guard: end the run now and tell what it used."""

    kind: Literal["stop"] = "stop"


class Ending(Frozen):
    """A cell's guard to the pool: how the snippet's process ended. A frame with the guest's report,
    as the guest wrote it, follows."""

    kind: Literal["ending"] = "ending"
    wait_status: int
    cpu_s: float
    peak_mib: float
    over: Literal["", "memory", "disk"] = ""
    """What the guard ended the run for, where no cgroup or tmpfs bounds it."""


def _of_a_guests_length(exception: ExceptionReport) -> ExceptionReport:
    if any(len(text) > _LONGEST_TEXT for text in (exception.type, exception.message)):
        raise ValueError("longer than a guest tells")
    if len(exception.traceback) > _LONGEST_TRACEBACK:
        raise ValueError("longer than a guest tells")
    return exception


class GuestReport(Frozen):
    """The guest's own word about the snippet: to show, never to trust."""

    how: Literal["finished", "error", "exit"]
    exception: Annotated[ExceptionReport, AfterValidator(_of_a_guests_length)] | None = None
    scene: Scene | None = None
    reached: Annotated[tuple[int, ...], Field(max_length=WATCHED_AT_MOST)] = ()
    findings: Annotated[tuple[Finding, ...], Field(max_length=FINDINGS_AT_MOST)] = ()


ToPool = Ready | Failed | Armed | Ending
to_pool: TypeAdapter[ToPool] = TypeAdapter(Annotated[ToPool, Field(discriminator="kind")])


def frame(message: Frozen | bytes) -> bytes:
    """`message` with its length in front."""
    body = message if isinstance(message, bytes) else message.model_dump_json().encode()
    return _HEADER.pack(len(body)) + body


def send(sock: socket.socket, message: Frozen | bytes, fds: list[int] | None = None) -> None:
    """Send a frame, and descriptors with its first byte. Blocks."""
    data = frame(message)
    if fds:
        packed = array.array("i", fds)
        sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)])
        data = data[sent:]
    sock.sendall(data)


def receive(sock: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next frame and its descriptors; None at the end of the stream. Blocks.

    Raises WireError for an oversized or broken frame.
    """
    head, fds, _, _ = socket.recv_fds(sock, _HEADER.size, _MAX_FDS)
    if not head:
        return None
    head += _exactly(sock, _HEADER.size - len(head))
    (length,) = _HEADER.unpack(head)
    if length > MAX_FRAME:
        raise WireError(f"a frame of {length} bytes is too long")
    return _exactly(sock, length), fds


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(min(count, 1 << 16))
        if not part:
            raise WireError("the stream ended in the middle of a frame")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


class Channel:
    """The pool's end of a socket to a zygote or a cell, for asyncio."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.fds: list[int] = []
        """Descriptors received and not yet taken."""
        self._buffer = bytearray()

    async def receive(self) -> bytes:
        """The next frame. Raises WireError when the other side ended, or broke the protocol."""
        while True:
            if len(self._buffer) >= _HEADER.size:
                (length,) = _HEADER.unpack_from(self._buffer)
                if length > MAX_FRAME:
                    raise WireError(f"a frame of {length} bytes is too long")
                if len(self._buffer) >= _HEADER.size + length:
                    body = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
                    del self._buffer[: _HEADER.size + length]
                    return body
            await self._fill()

    async def _fill(self) -> None:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(
                    self.sock, 1 << 16, _MAX_FDS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await readable(self.sock.fileno())
                continue
            except OSError as problem:
                raise WireError(str(problem)) from problem
            self.fds += fds
            if len(self.fds) > _MAX_FDS:
                raise WireError("too many descriptors")
            if not data:
                raise WireError("the other side went away")
            self._buffer += data
            return

    async def send(self, message: Frozen | bytes, fds: list[int] | None = None) -> None:
        """Send a frame. Raises WireError."""
        data = memoryview(frame(message))
        try:
            if fds:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
                data = data[self.sock.sendmsg([data], [rights]) :]
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError as problem:
            raise WireError(str(problem)) from problem

    def close(self) -> None:
        """Close the socket and descriptors that nobody took."""
        self.sock.close()
        for fd in self.fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.fds.clear()


async def readable(fd: int) -> None:
    """Wait until `fd` can be read (for a pidfd: until the process has ended)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(fd, ready)
    try:
        await future
    finally:
        loop.remove_reader(fd)
