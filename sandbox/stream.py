"""Reads one output stream of a cell and keeps its first and last bytes."""

from __future__ import annotations

import asyncio
import contextlib
import os

_CHUNK = 1 << 16


class Stream:
    """What a snippet wrote to stdout or stderr, of which at most `most` bytes are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._first = bytearray()
        self._last = bytearray()
        self._total = 0
        self._fd = -1
        self._flood: asyncio.Event | None = None
        self._ended = asyncio.Event()

    def attach(self, fd: int, flood: asyncio.Event) -> None:
        """Read `fd` from now on and own it; set `flood` when more than `most` bytes came."""
        self._fd, self._flood = fd, flood
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._detach()
            return
        self._total += len(data)
        room = self._most - len(self._first)
        self._first += data[:room]
        self._last = (self._last + data[room:])[-(self._most // 2) :]
        if self._total > self._most and self._flood is not None:
            self._flood.set()

    def _detach(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._ended.set()

    async def end(self, seconds: float) -> None:
        """Wait for the end of the stream, `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

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
