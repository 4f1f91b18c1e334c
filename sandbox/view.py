"""The read-only file tree that a zygote and its cells see. Standard library only.

An allow-list, built on an empty tmpfs: the interpreter, the installed packages, the system's
shared libraries, four devices. Everything stands at a neutral path, so that no traceback, not even
one that faulthandler writes, tells where the host keeps its things.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import kernel

PYTHON = "/opt/python"
PACKAGES = "/opt/packages"
TUTOR = "/opt/tutor"
SCRATCH = "/scratch"
_OLD = "/oldroot"

SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_SYSTEM_EXTRA = ("/usr/share/zoneinfo", "/etc/alternatives", "/sys/devices/system/cpu")
DEVICES = ("null", "zero", "random", "urandom")
_ETC = {
    "passwd": "learner:x:1000:1000:learner:/tmp:/bin/false\n",
    "group": "learner:x:1000:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


@dataclass(frozen=True)
class Host:
    """Where things stand on the host; all paths absolute and free of symbolic links."""

    interpreter: str
    prefix: str
    packages: tuple[str, ...]
    """Folders of installed packages, in import order."""
    tutor: str
    """The folder of the package `sandbox` itself."""


def _bind(source: str, target: str) -> None:
    """Show the host's `source` at `target`, read-only."""
    place = Path(target)
    if Path(_OLD + source).is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    kernel.mount(_OLD + source, target, None, kernel.MS_BIND | kernel.MS_REC)
    attributes = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID
    if not source.startswith("/dev/"):
        attributes |= kernel.ATTR_NODEV
    kernel.restrict_mount(target, attributes, recursive=True)


def _show(path: str) -> None:
    """Show a system path at its own place, as the link or the folder that it is; or not at all."""
    old = Path(_OLD + path)
    if old.is_symlink():
        Path(path).symlink_to(old.readlink())
    elif old.is_dir():
        _bind(path, path)


def _system_files() -> None:
    etc = Path("/etc")
    etc.mkdir(exist_ok=True)
    for name, content in _ETC.items():
        (etc / name).write_text(content, "utf-8")
    for name in ("ld.so.cache", "localtime"):
        with contextlib.suppress(OSError):
            (etc / name).write_bytes(Path(f"{_OLD}/etc/{name}").read_bytes())
    for name in DEVICES:
        _bind(f"/dev/{name}", f"/dev/{name}")
    Path("/dev/shm").mkdir()  # noqa: S108 - a mount point inside the view
    for name, link in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        Path(f"/dev/{name}").symlink_to(f"/proc/self/fd{link}")


def build(host: Host) -> None:
    """Replace the caller's root by the view. Needs an own mount namespace and the right to mount.

    /proc must be mounted while the old root is still in sight: a user namespace may mount only
    what it already sees whole. Raises OSError that names the place.
    """
    os.umask(0o022)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("view", "/tmp", "tmpfs", flags, "mode=755,size=16m")  # noqa: S108
    Path("/tmp" + _OLD).mkdir()  # noqa: S108
    kernel.pivot_root("/tmp", "/tmp" + _OLD)  # noqa: S108
    os.chdir("/")
    for path in ("/proc", "/tmp", SCRATCH):  # noqa: S108
        Path(path).mkdir()
    kernel.mount("proc", "/proc", "proc", flags | kernel.MS_NOEXEC)
    for path in SYSTEM:
        _show(path)
    for path in _SYSTEM_EXTRA:
        if Path(_OLD + path).is_dir():
            _bind(path, path)
    for folder in ("lib", "lib64"):
        if Path(f"{_OLD}{host.prefix}/{folder}").is_dir():
            _bind(f"{host.prefix}/{folder}", f"{PYTHON}/{folder}")
    _bind(host.interpreter, interpreter(host))
    for place, folder in enumerate(host.packages):
        _bind(folder, f"{PACKAGES}/{place}")
    _bind(host.tutor, f"{TUTOR}/sandbox")
    _system_files()
    kernel.unmount(_OLD)
    Path(_OLD).rmdir()
    kernel.mount("tmp", "/tmp", "tmpfs", flags | kernel.MS_NOEXEC, "mode=1777,size=16m")  # noqa: S108
    kernel.restrict_mount("/", kernel.ATTR_RDONLY, recursive=False)


def interpreter(host: Host) -> str:
    """Where the interpreter stands inside the view."""
    return f"{PYTHON}/bin/{Path(host.interpreter).name}"


def import_path(packages: Sequence[str]) -> str:
    """PYTHONPATH inside the view."""
    return ":".join([TUTOR, *(f"{PACKAGES}/{place}" for place in range(len(packages)))])
