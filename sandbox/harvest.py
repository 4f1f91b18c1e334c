"""Reads the files that a snippet left, as one reads a stranger's parcel.

Only after the cell is dead, so that nothing changes under the reader's hands; through directory
descriptors, one name at a time, never through a link; ordinary files with one name only; bounded
in number, size and depth. Nothing is decoded.
"""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import dataclass, field

from sandbox.protocol import Limits, OutputFile

_MIB = 1024 * 1024
_ENTRIES_AT_MOST = 512
_DEPTH_AT_MOST = 4
_SKIPPED_AT_MOST = 64
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass
class _Basket:
    limits: Limits
    files: list[OutputFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    entries: int = 0
    size: int = 0

    def skip(self, name: str, why: str) -> None:
        if len(self.skipped) < _SKIPPED_AT_MOST:
            self.skipped.append(f"{name}: {why}")


def harvest(folder: int, limits: Limits) -> tuple[tuple[OutputFile, ...], tuple[str, ...]]:
    """The files below the directory descriptor `folder`, and what was skipped, with the reasons."""
    basket = _Basket(limits)
    _folder(folder, "", 1, basket)
    return tuple(basket.files), tuple(basket.skipped)


def _folder(folder: int, place: str, depth: int, basket: _Basket) -> None:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            basket.entries += 1
            if basket.entries > _ENTRIES_AT_MOST:
                basket.skip(place or ".", f"more than {_ENTRIES_AT_MOST} files")
                break
            names.append(entry.name)
    for name in sorted(names):
        shown = _readable_name(place + name)
        try:
            _entry(folder, name, shown, depth, basket)
        except OSError as problem:
            basket.skip(shown, problem.strerror or "cannot be read")


def _entry(folder: int, name: str, shown: str, depth: int, basket: _Basket) -> None:
    kind = stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    if kind not in (stat.S_IFDIR, stat.S_IFREG):
        basket.skip(shown, _KINDS.get(kind, "not an ordinary file"))
        return
    # Looked at again through the descriptor: what was opened decides, not what was seen before.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    opened = os.open(name, flags, dir_fd=folder)
    try:
        seen = os.fstat(opened)
        if stat.S_ISDIR(seen.st_mode):
            if name == "__pycache__":
                return
            if depth >= _DEPTH_AT_MOST:
                basket.skip(shown, f"more than {_DEPTH_AT_MOST} folders deep")
            else:
                _folder(opened, f"{shown}/", depth + 1, basket)
        elif not stat.S_ISREG(seen.st_mode):
            basket.skip(shown, "not an ordinary file")
        elif seen.st_nlink != 1:
            basket.skip(shown, "a file with several names")
        elif len(basket.files) >= basket.limits.files:
            basket.skip(shown, f"more than {basket.limits.files} files")
        elif basket.size + seen.st_size > basket.limits.files_mib * _MIB:
            basket.skip(shown, f"{seen.st_size} bytes are too many")
        else:
            content = _read(opened, seen.st_size)
            basket.size += len(content)
            encoded = base64.b64encode(content).decode("ascii")
            basket.files.append(OutputFile(name=shown, size=len(content), content_base64=encoded))
    finally:
        os.close(opened)


def _read(opened: int, size: int) -> bytes:
    parts = []
    while size and (part := os.read(opened, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _readable_name(name: str) -> str:
    """`name` with everything that is not printable written as an escape."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
