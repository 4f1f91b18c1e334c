"""The few kernel calls that Python does not offer, by ctypes. Standard library only."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Sequence

MACHINE = platform.machine()
_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"clone": 56, "capset": 126, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"clone": 220, "capset": 91, "pivot_root": 41, "seccomp": 277},
}
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_MOUNT_SETATTR = 442

CLONE_VM = 0x00000100
CLONE_FILES = 0x00000400
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
_SIGCHLD = 17

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

ATTR_RDONLY = 1
ATTR_NOSUID = 2
ATTR_NODEV = 4
ATTR_NOEXEC = 8
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAP = 63

_FILTER_TSYNC = 1
_MADV_COLLAPSE = 25

_libc = ctypes.CDLL(None, use_errno=True)
_IDLE_STACK = 16 * 1024
_idle_stack = ctypes.create_string_buffer(_IDLE_STACK + 16)
# PyDLL keeps the interpreter lock, which a child that comes back from clone has to own.
_libc_locked = ctypes.PyDLL(None, use_errno=True)


def _check(what: str, value: int) -> int:
    if value < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return value


def _syscall(what: str, number: int, *args: object) -> int:
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return _check(what, int(_libc.syscall(ctypes.c_long(number), *wide)))


def supported() -> bool:
    """True on the processor families whose system-call numbers are known here."""
    return MACHINE in _NUMBERS


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`. Raises OSError."""
    _check("unshare", _libc.unshare(ctypes.c_int(flags)))


def fork_into(flags: int) -> int:
    """Fork a child that begins in new namespaces; returns 0 in the child, its pid in the parent.

    One clone instead of unshare and two forks: a pid namespace only takes in children, and each
    fork of a process with torch in it costs milliseconds. Only for single-threaded callers.
    """
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    number = ctypes.c_long(_NUMBERS[MACHINE]["clone"])
    pid = int(
        _libc_locked.syscall(number, ctypes.c_long(flags | _SIGCHLD), *[ctypes.c_long(0)] * 4)
    )
    if pid == 0:
        api.PyOS_AfterFork_Child()
        return 0
    code = ctypes.get_errno()
    api.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(code, f"clone: {os.strerror(code)}")
    return pid


def share_memory() -> int:
    """Make a process that shares this one's memory and descriptors and does nothing; returns its
    pid.

    No `wait` that asks for children finds it, but one for all kinds (__WALL). Raises OSError.
    """
    pause = ctypes.cast(_libc.pause, ctypes.c_void_p)
    # The stack grows downwards from its end; the kernel wants 16 bytes' alignment.
    top = ctypes.c_void_p(-(-ctypes.addressof(_idle_stack) // 16) * 16 + _IDLE_STACK)
    flags = ctypes.c_int(CLONE_VM | CLONE_FILES)
    return _check("clone", int(_libc.clone(pause, top, flags, ctypes.c_void_p(None))))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2). Raises OSError that names the target."""
    value = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    _check(f"mount {kind or 'bind'} on {target}", value)


def unmount(target: str) -> None:
    """Detach what is mounted on `target` and everything below it."""
    _check(f"umount {target}", _libc.umount2(target.encode(), ctypes.c_int(MNT_DETACH)))


def restrict_mount(target: str, attributes: int, *, recursive: bool) -> None:
    """Add attributes such as read-only to the mount at `target`."""
    record = ctypes.create_string_buffer(struct.pack("QQQQ", attributes, 0, 0, 0), 32)
    _syscall(
        f"mount_setattr {target}",
        _MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.c_char_p(target.encode()),
        _AT_RECURSIVE if recursive else 0,
        record,
        32,
    )


def pivot_root(new_root: str, old_root: str) -> None:
    """Make `new_root` the root and put the old one at `old_root`."""
    _syscall(
        "pivot_root",
        _NUMBERS[MACHINE]["pivot_root"],
        ctypes.c_char_p(new_root.encode()),
        ctypes.c_char_p(old_root.encode()),
    )


def prctl(option: int, value: int = 0) -> None:
    """prctl(2) with one argument."""
    zero = ctypes.c_ulong(0)
    _check("prctl", _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero))


def die_with_parent() -> None:
    """Be killed when the parent dies."""
    prctl(PR_SET_PDEATHSIG, 9)


def collapse(start: int, length: int) -> None:
    """Move this process's own memory there onto large pages (madvise(2), Linux 6.1 or later).

    Raises OSError where that cannot be.
    """
    value = _libc.madvise(
        ctypes.c_void_p(start), ctypes.c_size_t(length), ctypes.c_int(_MADV_COLLAPSE)
    )
    _check("madvise", value)


def drop_capabilities() -> None:
    """Give up every capability, also those that a later exec could bring back."""
    for capability in range(_LAST_CAP + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            # Past the kernel's last capability, or no CAP_SETPCAP: no_new_privs covers the rest.
            break
    prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = ctypes.create_string_buffer(struct.pack("II", 0x20080522, 0), 8)
    data = ctypes.create_string_buffer(24)
    _syscall("capset", _NUMBERS[MACHINE]["capset"], header, data)


def install_filter(program: bytes) -> None:
    """Install a seccomp filter (packed BPF instructions) on every thread of this process.

    Needs no_new_privs. Raises OSError.
    """
    code = ctypes.create_string_buffer(program, len(program))
    record = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    holder = ctypes.create_string_buffer(record, len(record))
    left_out = _syscall("seccomp", _NUMBERS[MACHINE]["seccomp"], 1, _FILTER_TSYNC, holder)
    if left_out:
        raise OSError(f"seccomp: thread {left_out} has a filter of its own")


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers; 0 when it offers none."""
    try:
        return _syscall("landlock", _LANDLOCK_CREATE, ctypes.c_void_p(None), 0, 1)
    except OSError:
        return 0


def landlock_restrict(
    handled_files: int, handled_network: int, scoped: int, rules: Sequence[tuple[int, int]]
) -> None:
    """Confine the calling thread to `rules`, pairs of an open path descriptor and its rights.

    The caller trims the masks to the kernel's ABI. Needs no_new_privs. Raises OSError.
    """
    sizes = 24 if scoped else 16 if handled_network else 8
    record = struct.pack("QQQ", handled_files, handled_network, scoped)[:sizes]
    holder = ctypes.create_string_buffer(record, len(record))
    ruleset = _syscall("landlock", _LANDLOCK_CREATE, holder, sizes, 0)
    try:
        for descriptor, rights in rules:
            rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
            _syscall("landlock rule", _LANDLOCK_ADD, ruleset, 1, rule, 0)
        _syscall("landlock restrict", _LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
