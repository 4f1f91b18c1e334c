"""Keeps a cell's memory until its end is told, so that nobody waits while the kernel frees it.

A process counts as ended only when the kernel has taken its memory apart, which takes longer than a
small snippet. Memory that another process shares stays: so beside the process of the snippet there
is one that shares its memory and its descriptors (clone(2) with CLONE_VM and CLONE_FILES) and does
nothing. It stands behind the same walls, lets no signal in but SIGKILL and SIGSTOP, and is killed
with all others; that it can execute nothing any more is seen before the end is told.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

from sandbox import kernel

_FLAGS = 6
"""Where they stand in /proc/PID/stat, counted after the name (proc(5))."""
_EXITING = 0x4
"""PF_EXITING: on its way out, never to return from the kernel (include/linux/sched.h)."""
_LOOK_S = 0.0001


def start_keeper() -> int:
    """Start the keeper of this process's memory; returns its pid. Raises OSError."""
    # It would run handlers of this process, on a stack of its own.
    allowed = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return kernel.share_memory()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, allowed)


class Keeper:
    """The guard's handle on a keeper, which its cell can make end, or do more than nothing."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError when there is no such process."""
        self._pid = pid
        self._ended = select.poll()
        self._ended.register(os.pidfd_open(pid), select.POLLIN)

    def pids(self) -> set[int]:
        """The process that shares the snippet's memory; none when it has ended.

        As no program can be started, it can have no other memory.
        """
        return set() if self._ended.poll(0) else {self._pid}

    def wait_until_harmless(self) -> None:
        """Wait until the keeper, which was killed, executes nothing any more."""
        while not self._ended.poll(0) and not _flags(self._pid) & _EXITING:
            time.sleep(_LOOK_S)
        if not self._ended.poll(0) and _threads(self._pid) > 1:
            self._ended.poll()


def _flags(pid: int) -> int:
    """The kernel's flags of a process; those of one on its way out when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _EXITING
    return int(stat.rpartition(b")")[2].split()[_FLAGS])


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except OSError:
        return 0
