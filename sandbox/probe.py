"""The self-test: before a stranger's first snippet, one of our own tries what must not work."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.protocol import Device, Result, Snippet, Status

_ATTEMPTS = """
import ctypes, json, os, resource, socket, time
target = json.loads({target!r})
libc = ctypes.CDLL(None, use_errno=True)
def syscall(value):
    if value < 0:
        raise OSError(ctypes.get_errno(), "denied")
def connect(family, address):
    with socket.socket(family) as sock:
        sock.settimeout(1)
        sock.connect(address)
def start_a_program():
    pid = os.posix_spawn("/bin/true", ["true"], {{}})
    if os.waitpid(pid, 0)[1]:
        raise OSError("denied")
def see_descriptors():
    for name in set(os.listdir("/proc/self/fd")) - {{"0", "1", "2"}}:
        try:
            link = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            continue  # that of the listing itself
        if not link.startswith(tuple(target["opened"])):
            return
    raise OSError("none")
def see_environment():
    if not any("{canary}" in value for value in os.environ.values()):
        raise OSError("none")
attempts = {{
    "connect to a TCP port of the host":
        lambda: connect(socket.AF_INET, ("127.0.0.1", target["port"])),
    "connect to a local socket of the host":
        lambda: connect(socket.AF_UNIX, "\\0" + target["abstract"]),
    "make a packet socket": lambda: connect(socket.AF_PACKET, ("lo", 0)),
    "read a file of the host": lambda: open(target["file"]).read(),
    "change the mode of a file of the host": lambda: os.chmod(target["file"], 0o600),
    "keep a file of the host by a link": lambda: os.link(target["file"], "kept"),
    "list the host's root": lambda: open("/etc/shadow").read(),
    "signal the process that ordered it": lambda: os.kill(target["pid"], 0),
    "look at the memory of the process that ordered it":
        lambda: open(f"/proc/{{target['pid']}}/maps").read(1),
    "look into its guard": lambda: open(f"/proc/{{os.getppid()}}/mem", "rb").read(1),
    "change the limits of its guard":
        lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (9, 9)),
    "take a handle of its guard": lambda: os.pidfd_open(os.getppid()),
    "trace another process": lambda: syscall(libc.ptrace(16, os.getppid(), 0, 0)),
    "mount": lambda: syscall(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
    "make namespaces": lambda: syscall(libc.unshare(0x10000000)),
    "mount by the newer calls": lambda: syscall(libc.syscall(430, b"tmpfs", 0)),
    "use io_uring": lambda: syscall(libc.syscall(425, 1, bytes(120))),
    "become another user": lambda: os.setuid(0),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "take real-time priority":
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "write beside the libraries":
        lambda: open(os.path.dirname(os.__file__) + "/probe", "w").close(),
    "start a program": start_a_program,
    "use descriptors that are not its own": see_descriptors,
    "see the environment of the process that ordered it": see_environment,
}}
possible = []
for name, attempt in attempts.items():
    try:
        attempt()
    except OSError:
        continue
    possible.append(name)
print(json.dumps(possible))
"""


_OPENED_BY_CUDA = ("/dev/nvidia", "anon_inode:", "pipe:", "socket:", "/memfd:")
"""Before libcuda opens its own, a cell closes every descriptor but those it is to have."""


@contextmanager
def attempts(device: Device = Device.CPU) -> Iterator[Snippet]:
    """A snippet that tries what must not work, against real targets that exist while in here."""
    canary = secrets.token_hex(8)
    with (
        socket.socket() as listener,
        socket.socket(socket.AF_UNIX) as local,
        tempfile.TemporaryDirectory() as folder,
    ):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        local.bind("\0" + canary)
        local.listen()
        file = Path(folder) / "canary"
        file.write_text(canary)
        Path(folder).chmod(0o755)
        target = {
            "port": listener.getsockname()[1],
            "abstract": canary,
            "file": str(file),
            "pid": os.getpid(),
            "opened": _OPENED_BY_CUDA if device is Device.CUDA else (),
        }
        os.environ["TUTOR_PROBE"] = canary
        try:
            code = _ATTEMPTS.format(target=json.dumps(target), canary=canary)
            yield Snippet(code=code, device=device)
        finally:
            del os.environ["TUTOR_PROBE"]


def faults(result: Result) -> list[str]:
    """What the walls did not keep out; empty when they hold."""
    with suppress(ValueError):
        possible = json.loads(result.stdout)
        if result.status is Status.OK and isinstance(possible, list):
            return [str(each) for each in possible]
    what = result.exception.traceback if result.exception else result.detail or result.stderr
    return [f"the self-test itself did not run ({result.status}): {what.strip()}"]
