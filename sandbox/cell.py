"""One run's walls: a guard process, and inside its walls the process of the snippet.

The guard is process 1 of the cell's own process namespace (strong tier): it builds the walls, waits
for the snippet's process, tells the pool how that ended, and by ending takes down whatever is left.
The snippet's process is its child, has no descriptor to the pool, and cannot signal or look into
the guard. Beside it stands the keeper of its memory (strong tier, see `sandbox.keeper`).
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import mmap
import os
import resource
import select
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Literal, NoReturn

from sandbox import cuda, folder, guest, kernel, landlock, seccomp, view, wire
from sandbox.keeper import Keeper, start_keeper
from sandbox.protocol import Device, Limits, Tier

NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
FLAGS = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
UID = 1000
"""The user and group id of a snippet inside its cell."""
_MIB = 1024 * 1024
_WATCH_S = 0.05
_STATM_RESIDENT = 1
_NOTE = struct.Struct("!I")
_READY = b"ready "

_FILES_AT_MOST = 4096


class Fds:
    """The descriptors that came with an `Arm`, by role."""

    def __init__(self, arm: wire.Arm, fds: list[int]) -> None:
        """Raises wire.WireError when there are not as many as `arm` announces."""
        if len(fds) != 4 + arm.cgroups:
            raise wire.WireError(f"{len(fds)} descriptors came with an order for a cell")
        self.control, self.job, self.stdout, self.stderr = fds[:4]
        self.cgroups = fds[4:]
        self.all = fds


def guard(arm: wire.Arm, fds: Fds, mapped: int | None) -> NoReturn:
    """Be the guard of a new cell; never returns. `mapped` tells when the user ids are set."""
    with socket.socket(fileno=fds.control) as control:
        try:
            _guard(arm, fds, mapped, control)
        except Exception as problem:
            with contextlib.suppress(OSError):
                wire.send(control, wire.Failed(why=f"{type(problem).__name__}: {problem}"))
        finally:
            os._exit(0)


def _guard(arm: wire.Arm, fds: Fds, mapped: int | None, control: socket.socket) -> None:
    for number in (signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _close_all_but({0, 1, 2, control.fileno(), *fds.all, *([] if mapped is None else [mapped])})
    if mapped is not None and not os.read(mapped, 1):
        raise OSError("no user ids")
    for cgroup in fds.cgroups:
        os.write(cgroup, b"0")
    if arm.tier is Tier.STRONG:
        _become_nobody()
        kernel.unshare(kernel.CLONE_NEWCGROUP)
        socket.sethostname("cell")
    # Of the cell's own, which comes over it read-only, nothing can be written.
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if arm.tier is Tier.STRONG:
        _mounts(arm)
        _hide_mounts()
    kernel.die_with_parent()
    report = mmap.mmap(-1, wire.MAX_REPORT)
    ready_r, ready_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        _snippet_process(arm, fds, report, ready_w, proc)
    for fd in (fds.job, fds.stdout, fds.stderr, ready_w, proc, *fds.cgroups):
        os.close(fd)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    watched = select.poll()
    ended = os.pidfd_open(pid)
    watched.register(ended, select.POLLIN)
    why = b"".join(iter(lambda: os.read(ready_r, 1024), b""))
    if not why.startswith(_READY):
        raise OSError(why.decode("utf-8", "replace") or "the walls could not be built")
    kept = int(why.removeprefix(_READY))
    keeper = Keeper(kept) if kept else None
    handed = [os.pidfd_open(os.getpid())]
    if arm.tier is Tier.STRONG:
        handed.append(os.open(arm.scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.drop_capabilities()
    before = _Use(pid)
    spaces = {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in NAMESPACES}  # noqa: PTH116
    wire.send(control, wire.Armed(namespaces=spaces), handed)
    for fd in handed:
        os.close(fd)
    watched.register(control, select.POLLIN)
    over = _wait(arm, pid, watched, before, keeper)
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(ended, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    _end_others(keeper)
    ending = wire.Ending(
        wait_status=status,
        cpu_s=max(0.0, usage.ru_utime + usage.ru_stime - before.cpu_s),
        peak_mib=max(0.0, usage.ru_maxrss / 1024 - before.resident / _MIB),
        over=over,
    )
    (length,) = _NOTE.unpack_from(report)
    wire.send(control, ending)
    wire.send(control, report[_NOTE.size : _NOTE.size + min(length, len(report) - _NOTE.size)])


def _end_others(keeper: Keeper | None) -> None:
    """End whatever the snippet left running, so that nothing of it lives when its end is told.

    Of the keeper, if there is one, only its memory is left then. This process's own end would do
    all that too; but that takes longer than the run of a small snippet.
    """
    if os.getpid() != 1:
        # No namespace parts the cell's processes from others (floor tier); it has one only.
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    # Whoever loses its parent becomes a child of this process.
    with contextlib.suppress(ChildProcessError):
        while _others(keeper):
            os.waitpid(-1, 0)
    if keeper is not None:
        keeper.wait_until_harmless()


def _others(keeper: Keeper | None) -> set[int]:
    """All processes of the cell but this one, process 1, and the keeper."""
    pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
    return pids - {1} - (set() if keeper is None else keeper.pids())


class _Use:
    """What the snippet's process used before there was a snippet."""

    def __init__(self, pid: int) -> None:
        # The kernel's name for "the CPU clock of process pid" (clock_getcpuclockid).
        self.cpu_s = time.clock_gettime((~pid << 3) | 2)
        self.resident = _resident(pid)
        self.written = _written(pid)


def _written(pid: int) -> int:
    """Bytes of memory that a process has of its own or shares with others, and that is no file's; 0
    when it has just ended.

    Files count for nobody: how much of them a process has mapped is not passed on to its forks.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return 0
    sizes = dict(line.split(":", 1) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return sum(int(size.removesuffix("kB")) for size in sizes.values()) * 1024


def _resident(pid: int) -> int:
    """Bytes of memory that a process maps; 0 when it has just ended."""
    try:
        words = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    except OSError:
        return 0
    return int(words[_STATM_RESIDENT]) * mmap.PAGESIZE


def _wait(
    arm: wire.Arm, pid: int, watched: select.poll, before: _Use, keeper: Keeper | None
) -> Literal["", "memory", "disk"]:
    """Wait until the snippet's process ends, the pool wants it ended, or it takes too much."""
    watching = arm.watch_memory or arm.tier is Tier.FLOOR
    while True:
        events = watched.poll(_WATCH_S * 1000 if watching else None)
        if events:
            # Its own end, or a word (or the end) of the pool: both mean that it is over.
            return ""
        if arm.watch_memory and _memory(arm, pid, before, keeper) > arm.limits.memory_mib * _MIB:
            return "memory"
        if arm.tier is Tier.FLOOR and folder.is_fuller(
            (arm.scratch, arm.temporary), _FILES_AT_MOST, arm.limits.scratch_mib * _MIB
        ):
            # No tmpfs bounds it.
            return "disk"


def _memory(arm: wire.Arm, pid: int, before: _Use, keeper: Keeper | None) -> int:
    """Bytes that all processes of the cell wrote beyond what they were born with."""
    pids = {pid} if arm.tier is Tier.FLOOR else _others(keeper)
    return sum(max(0, _written(each) - before.written) for each in pids)


def _close_all_but(kept: set[int]) -> None:
    low = 0
    for fd in sorted(kept):
        # An empty range must not be asked for: closerange(0, 0) closes everything.
        if low < fd:
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, 1 << 20)


def _become_nobody() -> None:
    with contextlib.suppress(PermissionError):
        # Refused where an unprivileged user made the namespace; the view hides what groups open.
        os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    # The change of user hid this process's own /proc files from it; they are needed once more.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _mounts(arm: wire.Arm) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    room = f"mode=755,size={arm.limits.scratch_mib}m,nr_inodes={_FILES_AT_MOST}"
    for place in (arm.temporary, "/dev/shm", arm.scratch):  # noqa: S108 - the cell's own
        kernel.mount("cell", place, "tmpfs", flags, room)
    kernel.mount("proc", "/proc", "proc", flags | kernel.MS_RDONLY, "subset=pid")


def _hide_mounts() -> None:
    """Keep the mounts and leave their namespace: /proc/PID/mountinfo, which tells where the host
    keeps what is shown here, lists only mounts of one's namespace that are in sight of one's root.
    """
    # Without a process in it, the namespace lives as long as this descriptor: to the guard's end.
    os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWNS)
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def _snippet_process(arm: wire.Arm, fds: Fds, report: mmap.mmap, ready: int, proc: int) -> NoReturn:
    """Be the process of the snippet: go behind the walls, wait for the job, do it."""
    try:
        _be_killed_first(proc)
        job = _arrange(fds, ready)
        ready = job + 1
        _walls(arm)
        keeper = start_keeper() if arm.keeper else 0
    except Exception as problem:
        os.write(ready, f"{type(problem).__name__}: {problem}".encode())
        os._exit(3)
    itself = os.getpid()
    os.write(ready, _READY + str(keeper).encode())
    os.close(ready)
    try:
        order = _read_job(job)
        os.close(job)
        _limit_data(arm.limits)
        # The making of a CUDA context is not the snippet's.
        cpu_s = order.cpu_s + math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
        exit_code, body = guest.run(order, most=len(report) - _NOTE.size)
        if os.getpid() != itself:
            # A fork that the snippet made and that ran to the snippet's end: not its report.
            os._exit(exit_code)
        report[_NOTE.size : _NOTE.size + len(body)] = body
        _NOTE.pack_into(report, 0, len(body))
    except BaseException:
        # Only a snippet that pulls its own interpreter to pieces comes here.
        os._exit(guest.BROKEN)
    os._exit(exit_code)


def _arrange(fds: Fds, ready: int) -> int:
    """Keep 0, 1, 2, the job at 3 and the word to the guard at 4; close everything else."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    kept = [os.dup(fd) for fd in (nothing, fds.stdout, fds.stderr, fds.job, ready)]
    # Twice, because a wanted number may still be one of the sources.
    high = [_duplicate_above(fd) for fd in kept]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=True)
    os.closerange(len(high), 1 << 20)
    return 3


def _duplicate_above(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)


def _walls(arm: wire.Arm) -> None:
    os.setsid()
    kernel.die_with_parent()
    os.chdir(arm.scratch)
    os.umask(0o022)
    guest.prepare(arm.limits, processes=arm.tier is Tier.STRONG, rehearsed=arm.rehearsed)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    if arm.tier is Tier.STRONG:
        readable = ["/"]
        writable = [arm.scratch, arm.temporary, "/dev/shm"]  # noqa: S108
    else:
        readable = [*guest.import_folders(), *view.SYSTEM, "/etc/ld.so.cache", "/proc/self"]
        writable = [arm.scratch, arm.temporary]
        places = ("HOME", "TMPDIR", "MPLCONFIGDIR")
        os.environ.update(dict.fromkeys(places, arm.temporary))
    devices = [f"/dev/{name}" for name in view.DEVICES]
    if arm.cuda is None:
        landlock.confine(readable, writable, devices)
    else:
        readable += cuda.READABLE
        landlock.confine(readable, writable, [*devices, *cuda.WRITABLE], cuda.nodes(arm.cuda))
        # Before the other walls, which forbid what only the making of a context needs; they hold
        # for the threads that it started as well, and those inherited Landlock.
        cuda.make_ready(arm.cuda)
    _limit(arm)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.install_filter(seccomp.assemble(arm.tier, device=_device(arm)))


def _device(arm: wire.Arm) -> Device:
    return Device.CPU if arm.cuda is None else Device.CUDA


def _limit(arm: wire.Arm) -> None:
    limits = arm.limits
    # A little more than the tmpfs holds: a full disk is what people know.
    size = (limits.scratch_mib + 1) * _MIB
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, size),
        # A context alone holds dozens.
        (resource.RLIMIT_NOFILE, 256 if arm.cuda is None else 1024),
        (resource.RLIMIT_MEMLOCK, 8 * _MIB),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_RTPRIO, 0),
        (resource.RLIMIT_NICE, 0),
        (resource.RLIMIT_SIGPENDING, 1024),
        *([(resource.RLIMIT_NPROC, arm.processes)] if arm.tier is Tier.STRONG else []),
    ):
        _, hard = resource.getrlimit(kind)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (least, least))


def _be_killed_first(proc: int) -> None:
    """Let the kernel, when memory runs out, kill this process before any other."""
    with contextlib.suppress(OSError):
        score = os.open("self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
        with os.fdopen(score, "w", encoding="ascii") as file:
            file.write("1000")


def _read_job(fd: int) -> wire.Job:
    with open(fd, "rb", closefd=False) as stream:
        head = stream.read(_NOTE.size)
        body = stream.read(_NOTE.unpack(head)[0])
    return wire.Job.model_validate_json(body)


def _limit_data(limits: Limits) -> None:
    """Let over-allocation fail as a Python error: private memory beyond what the fork brought."""
    fields = Path("/proc/self/status").read_text("ascii").split("VmData:")[1].split()
    value = int(fields[0]) * 1024 + limits.memory_mib * _MIB
    resource.setrlimit(resource.RLIMIT_DATA, (value, value))
