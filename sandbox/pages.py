"""Moves a process's memory onto large pages, so that its forks are cheap.

A fork copies a table entry for each page that the parent ever wrote, and the end of the child takes
each back: 60,000 entries with torch imported, and most of what a cell costs. On pages of 2 MiB a
quarter of them is left. What a child writes is still copied by 4 KiB.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sandbox import kernel

_LARGE = 2 * 1024 * 1024


def enlarge() -> None:
    """Move what this process has allocated so far; what the kernel cannot move stays as it is."""
    for start in _places(Path("/proc/self/maps").read_text("utf-8")):
        with contextlib.suppress(OSError):
            kernel.collapse(start, _LARGE)


def _places(maps: str) -> Iterator[int]:
    """Addresses of the whole large pages inside private writable memory that is no file's."""
    for line in maps.splitlines():
        extent, rights, _, _, _, *name = line.split()
        if rights.startswith("rw-p") and name in ([], ["[heap]"]):
            first, last = (int(part, 16) for part in extent.split("-"))
            yield from range(-(-first // _LARGE) * _LARGE, last - _LARGE + 1, _LARGE)
