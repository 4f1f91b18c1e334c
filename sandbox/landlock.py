"""Which files a snippet may touch, and that it reaches nothing outside its own walls."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sandbox import kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15

_READ = _READ_FILE | _READ_DIR
_CHANGE = (
    _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_USE = _READ_FILE | _WRITE_FILE | _TRUNCATE
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_BIND_TCP_CONNECT_TCP = 0b11
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

FLOOR_ABI = 6
"""The first version that also keeps signals and abstract sockets inside: the floor tier's least."""


def _handled(abi: int) -> int:
    rights = (1 << 13) - 1
    if abi >= 2:
        rights |= _REFER
    if abi >= 3:
        rights |= _TRUNCATE
    if abi >= 5:
        rights |= _IOCTL_DEV
    return rights


def confine(
    readable: Sequence[str],
    writable: Sequence[str],
    devices: Sequence[str],
    driven: Sequence[str] = (),
) -> None:
    """Allow reading below `readable`, changing below `writable`, reading and writing `devices`.

    Devices that are `driven` take orders by ioctl, too, which others do since version 5 only when
    they were opened before.
    Executing is allowed nowhere; TCP, signals and abstract sockets outside the domain are refused
    as far as the kernel's version can. Paths that do not exist are passed over.
    Raises OSError when the kernel has no Landlock.
    """
    abi = kernel.landlock_abi()
    handled = _handled(abi)
    rules: list[tuple[int, int]] = []
    wanted = [
        *((path, _READ) for path in readable),
        *((path, _READ | _CHANGE) for path in writable),
        *((path, _USE) for path in devices),
        *((path, _USE | _IOCTL_DEV) for path in driven),
    ]
    try:
        for path, rights in wanted:
            try:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            allowed = rights & handled
            if not Path(path).is_dir():
                allowed &= _FILE_ONLY
            rules.append((descriptor, allowed))
        kernel.landlock_restrict(
            handled,
            _BIND_TCP_CONNECT_TCP if abi >= 4 else 0,
            _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if abi >= FLOOR_ABI else 0,
            rules,
        )
    finally:
        for descriptor, _ in rules:
            os.close(descriptor)
