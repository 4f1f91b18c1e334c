"""Runs a Python script as a user without any rights, for tests that are run by root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Becomes nobody, and then runs the rest. What stands below a private home (an interpreter that root
# installed for itself) is shown again in a mount namespace of this process's own.
_BECOME_NOBODY = """
import os, sys
from pathlib import Path
from sandbox import kernel
kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
shown = {os.path.realpath(p) for p in (sys.base_prefix, sys.prefix, sys.argv[1])}
kept = {p: os.open(p, os.O_PATH) for p in shown}
for path in shown:
    for above in reversed(Path(path).parents):
        if above.exists() and not above.stat().st_mode & 1:
            kernel.mount("none", str(above), "tmpfs", 0, "mode=755")
for path, fd in kept.items():
    if not Path(path).exists():
        Path(path).mkdir(parents=True)
        kernel.mount(f"/proc/self/fd/{fd}", path, None, kernel.MS_BIND | kernel.MS_REC)
    os.close(fd)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.environ["HOME"] = "/"
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""


def command(script: str) -> list[str]:
    """The command that runs `script` as nobody, or as the present user where that is not root."""
    if os.geteuid() == 0:
        return [sys.executable, "-c", _BECOME_NOBODY, str(ROOT), script]
    return [sys.executable, "-c", script]


def environment() -> dict[str, str]:
    """What such a process needs of this one's environment."""
    return {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
