"""The pool's handle on a zygote: start it, order cells from it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sandbox import wire
from sandbox.folder import Folder
from sandbox.protocol import Tier

_START_S = 120.0
_STOP_S = 3.0
_LAST_WORDS = 8192
_LAUNCH = (
    "import sys; sys.path.insert(0, sys.argv[2]); "
    "from sandbox.launch import main; main(sys.argv[1])"
)


class ParentError(Exception):
    """A zygote could not be started, or is gone."""


@dataclass(frozen=True)
class _Paths:
    interpreter: str
    prefix: str
    packages: tuple[str, ...]
    root: str
    """The folder that holds the package `sandbox`."""


def _paths() -> _Paths:
    base = getattr(sys, "_base_executable", None) or sys.executable
    folders = [os.path.realpath(path) for path in sys.path if path]
    named = ("site-packages", "dist-packages")
    return _Paths(
        interpreter=os.path.realpath(base),
        prefix=os.path.realpath(sys.base_prefix),
        packages=tuple(f for f in folders if Path(f).is_dir() and Path(f).name in named),
        root=str(Path(__file__).resolve().parent.parent),
    )


class Parent:
    """One running zygote."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: wire.Channel, folder: Folder | None
    ) -> None:
        self.made = 0
        """Cells ordered so far."""
        self.live = 0
        """Cells that have not been closed yet."""
        self.retired = False
        self._process = process
        self._channel = channel
        self._folder = folder
        self._words = bytearray()
        self._sending = asyncio.Lock()
        if process.stderr is not None:
            os.set_blocking(process.stderr.fileno(), False)
            asyncio.get_running_loop().add_reader(process.stderr.fileno(), self._listen)

    @classmethod
    async def start(cls, tier: Tier) -> Parent:
        """Start a zygote behind the outer walls of `tier` and wait until it is warm.

        Raises ParentError with the reason in words.
        """
        try:
            # What libraries write while they load; the strong tier's view has its own /tmp.
            folder = None if tier is Tier.STRONG else Folder()
        except OSError as problem:
            raise ParentError(str(problem)) from problem
        ours, theirs = socket.socketpair()
        paths = _paths()
        # What snippets do not import; an installed tutor stands among packages that they do.
        hidden = "" if paths.root in paths.packages else paths.root
        setting = {"socket": theirs.fileno(), "tutor": hidden}
        if folder is not None:
            setting["temporary"] = folder.temporary
        command = [paths.interpreter, "-s", "-P", "-B", "-m", "sandbox.zygote"]
        environment = {
            "PYTHONPATH": ":".join([paths.root, *paths.packages]),
            "TUTOR_ZYGOTE": json.dumps(setting),
            "LANG": "C.UTF-8",
        }
        if tier is Tier.STRONG:
            plan = {
                "interpreter": paths.interpreter,
                "prefix": paths.prefix,
                "packages": paths.packages,
                "tutor": f"{paths.root}/sandbox",
                "socket": theirs.fileno(),
            }
            command = [paths.interpreter, "-I", "-S", "-B", "-c", _LAUNCH]
            command += [json.dumps(plan), paths.root]
            environment = {"LANG": "C.UTF-8"}
        with theirs:
            # Not in a thread: the zygote dies with the thread that made it.
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter
                command,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        parent = cls(process, wire.Channel(ours), folder)
        try:
            await parent._ready()
        except BaseException:
            await parent.stop()
            raise
        return parent

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(_START_S):
                body = await self._channel.receive()
            message = wire.to_pool.validate_json(body)
        except TimeoutError:
            raise ParentError(f"it was not ready within {_START_S:.0f} s") from None
        except (wire.WireError, ValidationError):
            await asyncio.sleep(0.1)
            words = bytes(self._words).decode("utf-8", "replace").strip().splitlines()
            raise ParentError(words[-1] if words else "it ended without a word") from None
        if isinstance(message, wire.Failed):
            raise ParentError(message.why)
        if not isinstance(message, wire.Ready):
            raise ParentError("it spoke out of turn")

    def _listen(self) -> None:
        """Keep the last of what the zygote writes to stderr: the reason, when it dies."""
        stream = self._process.stderr
        if stream is None:
            return
        try:
            data = os.read(stream.fileno(), 1 << 16)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(stream.fileno())
        self._words = (self._words + data)[-_LAST_WORDS:]

    @property
    def alive(self) -> bool:
        """False once the process has ended."""
        return self._process.poll() is None

    async def order(self, arm: wire.Arm, fds: list[int]) -> None:
        """Ask for a cell, which answers on its own socket. Raises ParentError."""
        try:
            async with self._sending:
                await self._channel.send(arm, fds)
        except wire.WireError as problem:
            raise ParentError(str(problem)) from problem
        self.made += 1

    async def stop(self) -> None:
        """End the zygote and every cell it has."""
        self.retired = True
        self._channel.close()
        try:
            await self._ended(_STOP_S)
        except TimeoutError:
            # The launcher takes the zygote with it.
            self._process.kill()
            with contextlib.suppress(TimeoutError):
                await self._ended(_STOP_S)
        if self._process.stderr is not None and not self._process.stderr.closed:
            asyncio.get_running_loop().remove_reader(self._process.stderr.fileno())
            self._process.stderr.close()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    async def _ended(self, seconds: float) -> None:
        if self._process.poll() is not None:
            return
        try:
            pidfd = os.pidfd_open(self._process.pid)
        except ProcessLookupError:
            return
        try:
            async with asyncio.timeout(seconds):
                await wire.readable(pidfd)
            self._process.wait()
        finally:
            os.close(pidfd)
