"""The folder of a cell that has no file system of its own (floor tier), in the host's TMPDIR.

What is in it was made by a stranger: folders nested deeper than a path is long, closed ones, links.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "tutor-cell-"
_PARTS = ("work", "tmp")
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 64
"""Folders below a part that a run may nest."""


class Folder:
    """A fresh folder with the parts `work` and `tmp`, locked for as long as its owner lives."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.work, self.temporary = (str(self._path / name) for name in _PARTS)
        self._lock = os.open(self._path, _OPEN)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for part in (self.work, self.temporary):
                os.mkdir(part)  # noqa: PTH102 - text, as the cell needs it
        except OSError:
            self.remove()
            raise

    def open_work(self) -> int:
        """A descriptor of the part `work`, also when the cell, now dead, closed it to its owner."""
        os.chmod(self.work, 0o700)  # noqa: PTH101 - no link: a cell cannot replace it
        return os.open(self.work, _OPEN)

    def remove(self) -> None:
        """Remove it with all that is in it; every process of its cell must be dead."""
        _empty(self._lock)
        with contextlib.suppress(OSError):
            self._path.rmdir()
        os.close(self._lock)


def sweep() -> None:
    """Remove the folders of pools that were killed before they could."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            found = os.open(path, _OPEN)
            try:
                # Held by its owner, wherever that lives: a lock reaches further than a process id.
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(found).st_uid == os.geteuid():
                    _empty(found)
                    path.rmdir()
            finally:
                os.close(found)


def _empty(top: int) -> None:
    """Remove all below the directory descriptor `top`.

    What lies in a folder is moved up to `top` before the folder goes: neither the depth of a tree
    nor the length of its paths matters then.
    """
    with contextlib.suppress(OSError):
        os.fchmod(top, 0o700)
    names = (f"moved-{number}" for number in itertools.count())
    while entries := os.listdir(top):
        removed = False
        for name in entries:
            with contextlib.suppress(OSError):
                _take_away(top, name, names)
                removed = True
        if not removed:
            return


def _take_away(top: int, name: str, fresh: Iterator[str]) -> None:
    if not _is_folder(top, name):
        os.unlink(name, dir_fd=top)
        return
    inside = os.open(name, _OPEN, dir_fd=top)
    try:
        for child in os.listdir(inside):  # noqa: PTH208 - by descriptor, to stay there
            if _is_folder(inside, child):
                os.rename(child, _unused(top, fresh), src_dir_fd=inside, dst_dir_fd=top)
            else:
                os.unlink(child, dir_fd=inside)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=top)


def _is_folder(parent: int, name: str) -> bool:
    """Whether an entry is a folder; one that is closed to its owner is opened."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        return False
    if mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=parent)
    return True


def _unused(top: int, fresh: Iterator[str]) -> str:
    for name in fresh:
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise FileExistsError


def is_fuller(parts: tuple[str, ...], most_files: int, most_bytes: int) -> bool:
    """Whether more than so many files, or bytes of disk, lie below `parts`, at this moment.

    Asked while a snippet writes there. A tree that is too deep to look into counts as too full.
    """
    count = used = 0
    waiting = [(part, 0) for part in parts]
    while waiting:
        folder, depth = waiting.pop()
        if depth > _DEEPEST:
            return True
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    count += 1
                    with contextlib.suppress(OSError):
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    if count > most_files or used > most_bytes:
                        return True
        except OSError:
            # Gone, or closed by the snippet; not opened here: by now it may be a link.
            continue
    return False
