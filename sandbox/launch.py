"""Starts a zygote behind the outer walls, and waits for it. Standard library only.

    python launch.py PLAN        with PLAN as JSON: the host's paths and the control socket

Strong tier: own namespaces and the read-only view first, then the interpreter is executed anew
inside them, so that even a break-in into the zygote finds neither the host's files nor its
processes. Real root builds the view with its own rights (the interpreter may stand below a private
home) and then gives them up for a range of user ids that belongs to nobody.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import NoReturn

from sandbox import kernel, view

_OWN = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
)
_IDS = 4096
"""How many user ids a zygote of root's gets: one for itself, the rest for its cells."""


def _highest_ids(path: str) -> int:
    """The first of the last `_IDS` ids that this user namespace maps, below 2**31."""
    lines = Path(path).read_text("ascii").splitlines()
    rows = [[int(word) for word in line.split()] for line in lines]
    end = max(inside + count for inside, _, count in rows)
    return min(end - 1, 0x7000_0000) - _IDS


def _execute(plan: dict[str, object], host: view.Host) -> NoReturn:
    os.chdir("/")
    environment = {
        "PYTHONPATH": view.import_path(host.packages),
        "TUTOR_ZYGOTE": json.dumps({"socket": plan["socket"], "tutor": view.TUTOR}),
        "LANG": "C.UTF-8",
        "HOME": "/tmp",  # noqa: S108 - the view's own
        # A libpython beside an interpreter that moved is found only so.
        "LD_LIBRARY_PATH": f"{view.PYTHON}/lib",
    }
    program = view.interpreter(host)
    os.execve(program, [program, "-s", "-P", "-B", "-m", "sandbox.zygote"], environment)  # noqa: S606


def _as_root(plan: dict[str, object], host: view.Host) -> int:
    # Not the mount namespace: this process writes the maps through the host's own /proc.
    kernel.unshare(_OWN & ~kernel.CLONE_NEWNS)
    uid, gid = _highest_ids("/proc/self/uid_map"), _highest_ids("/proc/self/gid_map")
    asked_r, asked_w = os.pipe()
    given_r, given_w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(asked_w)
        if os.read(asked_r, 1):
            Path(f"/proc/{pid}/uid_map").write_text(f"0 {uid} {_IDS}", "ascii")
            Path(f"/proc/{pid}/gid_map").write_text(f"0 {gid} {_IDS}", "ascii")
            os.write(given_w, b"1")
        return pid
    kernel.unshare(kernel.CLONE_NEWNS)
    view.build(host)
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    os.write(asked_w, b"1")
    os.close(given_w)
    if not os.read(given_r, 1):
        os._exit(3)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _execute(plan, host)


def _as_anybody(plan: dict[str, object], host: view.Host) -> int:
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_OWN | kernel.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny", "ascii")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", "ascii")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", "ascii")
    pid = os.fork()
    if pid:
        return pid
    view.build(host)
    _execute(plan, host)


def main(text: str) -> NoReturn:
    """Run a zygote by `text`, a plan in JSON; ends with the zygote's exit code.

    A failure is told on the control socket, as the zygote itself would tell it.
    """
    plan = json.loads(text)
    kernel.die_with_parent()
    host = view.Host(
        interpreter=plan["interpreter"],
        prefix=plan["prefix"],
        packages=tuple(plan["packages"]),
        tutor=plan["tutor"],
    )
    try:
        os.set_inheritable(plan["socket"], True)
        pid = _as_root(plan, host) if os.geteuid() == 0 else _as_anybody(plan, host)
    except OSError as problem:
        frame = json.dumps({"kind": "failed", "why": str(problem)}).encode()
        with socket.socket(fileno=plan["socket"]) as control:
            control.sendall(struct.pack("!I", len(frame)) + frame)
        os._exit(3)
    os.close(plan["socket"])
    _, status = os.waitpid(pid, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main(sys.argv[1])
