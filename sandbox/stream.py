"""Reads one output stream of a cell, keeps its first and last bytes, tells what just came."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
from collections.abc import Callable

from sandbox.runner import Progress, Watch

_CHUNK = 1 << 16
_PIPE_AT_MOST = 1 << 20
"""Bytes that a pipe holds which its writer enlarged (fs.pipe-max-size, for one without rights)."""
_TELL_EVERY_S = 0.25
_TOLD_AT_MOST = 4000


class Stream:
    """What a snippet wrote to stdout or stderr, of which at most `most` bytes are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._first = bytearray()
        self._last = bytearray()
        self._total = 0
        self._fd = -1
        self._flood: asyncio.Event | None = None
        self._hear: Callable[[bytes], None] | None = None
        self._ended = asyncio.Event()

    def attach(
        self, fd: int, flood: asyncio.Event, hear: Callable[[bytes], None] | None = None
    ) -> None:
        """Read `fd` from now on and own it; set `flood` when more than `most` bytes came.

        `hear` is called with all that comes, also with what is not kept.
        """
        self._fd, self._flood, self._hear = fd, flood, hear
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> bool:
        """Take some of what came; False when there is no more, now or ever."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._detach()
            return False
        self._total += len(data)
        room = self._most - len(self._first)
        self._first += data[:room]
        self._last = (self._last + data[room:])[-(self._most // 2) :]
        if self._total > self._most and self._flood is not None:
            self._flood.set()
        if self._hear is not None:
            self._hear(data)
        return True

    def _detach(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._ended.set()

    async def end(self, seconds: float) -> None:
        """Wait for the end of the stream, `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def drain(self) -> None:
        """Take what was written so far, and stop reading."""
        # Bounded, should somebody write faster than it is read.
        for _ in range(_PIPE_AT_MOST // _CHUNK + 1):
            if self._fd < 0 or not self._read():
                break
        self._detach()

    def close(self) -> None:
        """Stop reading."""
        self._detach()

    @property
    def truncated(self) -> bool:
        """True when bytes were lost."""
        return self._total > self._most

    @property
    def text(self) -> str:
        """What was kept; where bytes are missing in the middle, a line says how many."""
        if not self.truncated:
            return self._first.decode("utf-8", "replace")
        head = self._first[: self._most - self._most // 2]
        tail = (self._first[len(head) :] + self._last)[-(self._most // 2) :]
        lost = self._total - len(head) - len(tail)
        begin, end = head.decode("utf-8", "replace"), tail.decode("utf-8", "replace")
        return f"{begin}\n… {lost} bytes left out …\n{end}"


class Live:
    """Tells a watcher the end of what a snippet prints, while it prints.

    At most every quarter of a second, only when something came, and no more than 4,000 characters.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        # Incremental, because a character may come in two parts.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._timer: asyncio.TimerHandle | None = None
        self._told = ""
        self._next = 0.0

    def begin(self) -> None:
        """Tell that the run has begun."""
        self._tell()

    def hear(self, data: bytes) -> None:
        """Take what the snippet printed; it is told when the time has come."""
        self._text = (self._text + self._decoder.decode(data))[-_TOLD_AT_MOST:]
        if self._timer is None:
            # Never told from here: a watcher that fails must not stop the reading.
            self._timer = asyncio.get_running_loop().call_at(self._next, self._tell_change)

    def close(self) -> None:
        """Tell nothing any more: the result has it all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell_change(self) -> None:
        self._timer = None
        if self._text != self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = self._text
        self._next = asyncio.get_running_loop().time() + _TELL_EVERY_S
        self._watch(Progress(0, running=True, stdout=self._text))
