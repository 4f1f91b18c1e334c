"""Attacks on other runs, on the zygote, and on the pool."""

from __future__ import annotations

import asyncio
import contextlib
import textwrap
from typing import Any

import psutil
import pytest
from attacker import Target, attack, says, serves

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("D")]

_VICTIM = "import time\ntime.sleep(0.8)\nprint('unharmed')"


def _standing() -> dict[psutil.Process, dict[str, Any]]:
    """All processes of this one's family with what attacks would change, those that just ended
    left out: armed cells come and go."""
    seen = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            seen[process] = process.as_dict(["cmdline", "cpu_affinity", "nice", "status"])
    return seen


async def _beside_a_victim(target: Target, code: str) -> list[str]:
    """Run an attack on the host pids of everything that belongs to the pools, and on the tests.

    The attack finds all but the tests in `pids`. The victim, the pool and every process of the
    family must come out of it unharmed.
    """
    victim = asyncio.create_task(attack(target, _VICTIM))
    await asyncio.sleep(0.2)
    family = _standing()
    launchers = [p for p, seen in family.items() if "launch" in " ".join(seen["cmdline"])]
    known = f"pids = [p for p in {[p.pid for p in family]} if p != os.getpid()]\n"
    lines = await says(target, known + textwrap.dedent(code))
    assert (await victim).stdout == "unharmed\n"
    assert await serves(target)
    assert all(process.is_running() for process in launchers)
    stopped = [p for p, seen in _standing().items() if seen["status"] == psutil.STATUS_STOPPED]
    assert stopped == []
    return lines


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
async def test_the_zygote_and_siblings_cannot_be_killed(any_tier: Target, number: str) -> None:
    code = f"print({{attempt(os.kill, p, signal.{number}) for p in pids}} <= {{'ESRCH', 'EPERM'}})"
    assert await _beside_a_victim(any_tier, code) == ["True"]


async def test_the_zygote_and_siblings_cannot_be_stopped(any_tier: Target) -> None:
    code = """
        numbers = signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN
        print({attempt(os.kill, p, n) for p in pids for n in numbers} <= {"ESRCH", "EPERM"})
        print({attempt(os.killpg, p, signal.SIGSTOP) for p in pids} <= {"ESRCH", "EPERM"})
    """
    assert await _beside_a_victim(any_tier, code) == ["True", "True"]


async def test_kill_everybody_kills_nobody_else(any_tier: Target) -> None:
    code = "print(attempt(os.kill, -1, signal.SIGKILL))"
    assert len(await _beside_a_victim(any_tier, code)) == 1


async def test_no_signal_can_be_sent_by_other_calls(any_tier: Target) -> None:
    code = """
        information = struct.pack("iii", 9, 0, -1) + bytes(116)
        for p in [*pids, os.getppid()]:
            assert call(NUMBER["tkill"], p, 9) in ("ESRCH", "EPERM")
            assert call(NUMBER["tgkill"], p, p, 9) in ("ESRCH", "EPERM")
            assert call(NUMBER["rt_sigqueueinfo"], p, 9, information) == "EPERM"
            assert call(NUMBER["pidfd_send_signal"], p, 9, 0, 0) == "EPERM"
        # By a descriptor that signals its owner when something can be read (F_SETOWN, F_SETSIG).
        import fcntl
        one, other = socket.socketpair()
        for p in [*pids, os.getppid()]:
            attempt(fcntl.fcntl, one, 8, p)
            attempt(fcntl.fcntl, one, 10, 9)
            attempt(fcntl.fcntl, one, 4, os.O_ASYNC)
            other.send(b"x")
        print("sent to nobody")
    """
    assert await _beside_a_victim(any_tier, code) == ["sent to nobody"]


async def test_the_guard_cannot_be_killed(any_tier: Target) -> None:
    code = """
        for number in range(1, 65):
            attempt(os.kill, os.getppid(), number)
        time.sleep(0.2)
        print(os.getppid() != 0)
    """
    assert await says(any_tier, code) == ["True"]


async def test_nobody_can_be_traced(any_tier: Target) -> None:
    code = """
        for p in [*pids, os.getppid()]:
            for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
                ctypes.set_errno(0)
                assert libc.ptrace(request, p, 0, 0) == -1
                assert ctypes.get_errno() in (errno.EPERM, errno.ESRCH)
        print("denied")
    """
    assert await _beside_a_victim(any_tier, code) == ["denied"]


async def test_proc_files_of_others_cannot_be_read(any_tier: Target) -> None:
    code = """
        for p in [*pids, os.getppid()]:
            for name in ("mem", "environ", "maps", "auxv", "syscall", "stack", "pagemap", "io"):
                for mode in ("rb", "r+b"):
                    try:
                        with open(f"/proc/{p}/{name}", mode) as file:
                            assert not file.read(1), (p, name)
                    except OSError:
                        pass
            for name in ("root", "cwd", "exe"):
                try:
                    os.listdir(f"/proc/{p}/{name}/"); print("listed", p, name)
                except OSError:
                    pass
            for fd in range(20):
                try:
                    print("read", p, fd, os.readlink(f"/proc/{p}/fd/{fd}"))
                except OSError:
                    pass
        print("denied")
    """
    assert await _beside_a_victim(any_tier, code) == ["denied"]


async def test_only_its_own_processes_are_in_sight(any_tier: Target) -> None:
    code = """
        own = {os.getpid(), os.getppid()}
        seen = attempt(os.listdir, "/proc")
        if seen != "EACCES":
            seen = {int(name) for name in seen if name.isdecimal()}
            # In namespaces of its own: the guard, this process, and one that keeps its memory.
            assert seen == {1, 2, 3} and own == {1, 2}, (seen, own)
            own = seen
        for p in set(pids) - own:
            for name in ("cmdline", "status", "comm", "stat", "cgroup", "mountinfo"):
                found = attempt(lambda: open(f"/proc/{p}/{name}").read())
                assert found in ("ENOENT", "EACCES"), found
        print("alone")
    """
    assert await _beside_a_victim(any_tier, code) == ["alone"]


async def test_no_descriptor_of_others_can_be_taken(any_tier: Target) -> None:
    code = """
        for p in [*pids, os.getppid(), os.getpid()]:
            assert call(NUMBER["pidfd_open"], p, 0) == "EPERM"
            for fd in range(10):
                assert call(NUMBER["pidfd_getfd"], p, fd, 0) == "EPERM"
                if p != os.getpid():
                    denied = ("EACCES", "ENOENT", "EPERM")
                    assert attempt(os.open, f"/proc/{p}/fd/{fd}", os.O_RDWR) in denied
        print("denied")
    """
    assert await _beside_a_victim(any_tier, code) == ["denied"]


async def test_the_memory_of_others_cannot_be_read_by_system_call(any_tier: Target) -> None:
    code = """
        buffer = ctypes.create_string_buffer(8)
        local = struct.pack("QQ", ctypes.addressof(buffer), 8)
        for p in [*pids, os.getppid()]:
            for function in (libc.process_vm_readv, libc.process_vm_writev):
                ctypes.set_errno(0)
                assert function(p, local, 1, local, 1, 0) == -1
                assert ctypes.get_errno() == errno.EPERM
        print(attempt(os.pidfd_open, os.getppid()))
    """
    assert await _beside_a_victim(any_tier, code) == ["EPERM"]


async def test_the_limits_and_priority_of_others_cannot_be_set(any_tier: Target) -> None:
    before = {p.pid: (seen["nice"], seen["cpu_affinity"]) for p, seen in _standing().items()}
    code = f"""
        import resource
        for p in {{os.getppid(), *{list(before)}}} - {{os.getpid()}}:
            assert attempt(resource.prlimit, p, resource.RLIMIT_CPU, (1, 1)) == "EPERM"
            assert attempt(os.sched_setaffinity, p, {{0}}) == "EPERM"
            assert attempt(os.setpriority, os.PRIO_PROCESS, p, 19) == "EPERM"
        assert attempt(os.setpriority, os.PRIO_USER, os.getuid(), 19) == "EPERM"
        print("denied")
    """
    assert await says(any_tier, code) == ["denied"]
    after = {p.pid: (seen["nice"], seen["cpu_affinity"]) for p, seen in _standing().items()}
    assert {pid: after[pid] for pid in before if pid in after}.items() <= before.items()


async def test_its_own_memory_cannot_be_opened_as_a_file(any_tier: Target) -> None:
    (answer,) = await says(any_tier, "print(attempt(open, '/proc/self/mem', 'r+b'))")
    assert answer in ("EACCES", "EROFS")


async def test_only_the_standard_descriptors_are_inherited(any_tier: Target) -> None:
    code = """
        import fcntl
        def is_open(fd):
            try:
                fcntl.fcntl(fd, fcntl.F_GETFD)
            except OSError:
                return False
            return True
        print([fd for fd in range(4096) if is_open(fd)])
        print(os.read(0, 1))
    """
    assert await says(any_tier, code) == ["[0, 1, 2]", "b''"]


async def test_the_chance_to_be_killed_first_cannot_be_lowered(any_tier: Target) -> None:
    code = """
        def lower():
            open("/proc/self/oom_score_adj", "w").write("-1000")
        print(attempt(lower) in ("EACCES", "EROFS", "EPERM"))
        print(open("/proc/self/oom_score_adj").read().strip())
    """
    assert await says(any_tier, code) == ["True", "1000"]
