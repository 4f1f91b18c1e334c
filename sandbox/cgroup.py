"""Control groups, version 1 or 2, for the memory and the number of processes of a cell.

They are used where this process may write them, and never demanded: without them the cell's guard
watches memory, and rlimits bound the rest.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "traceback-tutor"
_MIB = 1024 * 1024
_OWN_NEED_MIB = 96
"""What a cell itself needs on top of the snippet's memory: pages that its fork copies."""
_REMOVE_TRIES = 100
_REMOVE_PAUSE_S = 0.01


@dataclass(frozen=True)
class _Files:
    """The names that the two versions give to the same things."""

    memory_max: str
    swap_max: str
    memory_peak: str
    memory_events: str
    swap_is_total: bool


VERSION_1 = _Files(
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.oom_control",
    swap_is_total=True,
)
VERSION_2 = _Files(
    "memory.max", "memory.swap.max", "memory.peak", "memory.events", swap_is_total=False
)


class Group:
    """The control group of one cell: one folder (version 2), or one per controller (version 1)."""

    def __init__(self, folders: dict[str, Path], files: _Files) -> None:
        self._folders = folders
        self._files = files
        for folder in set(folders.values()):
            folder.mkdir()

    @property
    def counts_memory(self) -> bool:
        """True when the kernel bounds the cell's memory as a whole."""
        return "memory" in self._folders

    def limit(self, memory_mib: int, processes: int) -> None:
        """Set what the group may use, all its processes together. Raises OSError."""
        if memory := self._folders.get("memory"):
            most = (memory_mib + _OWN_NEED_MIB) * _MIB
            (memory / self._files.memory_max).write_text(str(most))
            swap = memory / self._files.swap_max
            if swap.exists():
                swap.write_text(str(most if self._files.swap_is_total else 0))
        if pids := self._folders.get("pids"):
            (pids / "pids.max").write_text(str(processes))

    def open_entrances(self) -> list[int]:
        """Open descriptors; a process that writes "0" to each is in the group."""
        return [
            os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            for folder in set(self._folders.values())
        ]

    def out_of_memory(self) -> bool:
        """True when the kernel killed a process of the group for its memory."""
        with contextlib.suppress(OSError, KeyError):
            text = (self._folders["memory"] / self._files.memory_events).read_text()
            return any(
                line.split()[0] == "oom_kill" and line.split()[1] != "0"
                for line in text.splitlines()
            )
        return False

    def peak_mib(self) -> float | None:
        """The most memory the group ever used, in MiB; None when nobody counted."""
        with contextlib.suppress(OSError, KeyError):
            return int((self._folders["memory"] / self._files.memory_peak).read_text()) / _MIB
        return None

    def forget_peak(self) -> None:
        """Begin to count the peak anew, where the kernel can."""
        with contextlib.suppress(OSError, KeyError):
            (self._folders["memory"] / self._files.memory_peak).write_text("0")

    def remove(self) -> None:
        """Remove the group; its processes must be dead or dying."""
        for folder in set(self._folders.values()):
            _remove(folder)


def _remove(folder: Path) -> None:
    for _ in range(_REMOVE_TRIES):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            # Its last process is gone, but the kernel has not noted it yet.
            time.sleep(_REMOVE_PAUSE_S)
        else:
            return


class Cgroups:
    """The part of the control-group tree that belongs to one pool."""

    def __init__(self, folders: dict[str, Path], files: _Files) -> None:
        self._folders = folders
        self._files = files

    @property
    def why(self) -> str:
        """In words: what is bounded by control groups."""
        if not self._folders:
            return "no writable control groups: the cell's guard watches memory"
        version = 1 if self._files is VERSION_1 else 2
        return f"control groups version {version} bound {' and '.join(sorted(self._folders))}"

    def group(self, name: str) -> Group:
        """Make a group for one cell. Raises OSError."""
        return Group({kind: path / name for kind, path in self._folders.items()}, self._files)

    def close(self) -> None:
        """Remove everything that was made."""
        for folder in set(self._folders.values()):
            for child in folder.glob("*/"):
                _remove(child)
            _remove(folder)


def find(
    mountinfo: Path = Path("/proc/self/mountinfo"), own: Path = Path("/proc/self/cgroup")
) -> Cgroups:
    """Make this pool's place in the tree, below the group that this process is in already.

    Never raises: where nothing can be written, the result bounds nothing and says so.
    """
    name = f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(3)}"
    paths = {}
    for line in own.read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        for kind in kinds.split(","):
            paths[kind] = path
    first: dict[str, Path] = {}
    second: Path | None = None
    for line in mountinfo.read_text().splitlines():
        front, _, back = line.partition(" - ")
        root, point = front.split()[3:5]
        kind, _, options = back.split(maxsplit=2)
        if kind == "cgroup2" and "" in paths:
            second = _below(point, root, paths[""])
        elif kind == "cgroup":
            for controller in ("memory", "pids"):
                if controller in options.split(",") and controller in paths:
                    first[controller] = _below(point, root, paths[controller])
    if second is not None and not first:
        return _second(second, name)
    made = {}
    for controller, parent in first.items():
        with contextlib.suppress(OSError):
            _sweep(parent)
            (parent / name).mkdir()
            made[controller] = parent / name
    return Cgroups(made, VERSION_1)


def _below(point: str, root: str, path: str) -> Path:
    inside = path.removeprefix(root) if root != "/" else path
    return Path(point) / inside.lstrip("/")


def _second(parent: Path, name: str) -> Cgroups:
    """Version 2: the controllers have to be handed down, which a group with processes may not."""
    if parent.name == f"{_PREFIX}-itself":
        parent = parent.parent
    folder = parent / name
    wanted = "+memory +pids"
    try:
        if not {"memory", "pids"} <= set((parent / "cgroup.controllers").read_text().split()):
            return Cgroups({}, VERSION_2)
        _sweep(parent)
        handed = set((parent / "cgroup.subtree_control").read_text().split())
        if not {"memory", "pids"} <= handed:
            if (parent / "cgroup.procs").read_text().split() == [str(os.getpid())]:
                leaf = parent / f"{_PREFIX}-itself"
                leaf.mkdir(exist_ok=True)
                (leaf / "cgroup.procs").write_text(str(os.getpid()))
            (parent / "cgroup.subtree_control").write_text(wanted)
        folder.mkdir()
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        return Cgroups({}, VERSION_2)
    return Cgroups({"memory": folder, "pids": folder}, VERSION_2)


def _sweep(parent: Path) -> None:
    """Remove what pools left behind that were killed before they could."""
    for folder in parent.glob(f"{_PREFIX}-*-*/"):
        pid = folder.name.removeprefix(f"{_PREFIX}-").split("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            for child in [*folder.glob("*/"), folder]:
                with contextlib.suppress(OSError):
                    child.rmdir()
