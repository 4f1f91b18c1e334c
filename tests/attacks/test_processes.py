"""Attacks on other runs, on the zygote, and on what is shared with them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import textwrap
from pathlib import Path

import psutil
import pytest
from attacker import attack, says

from sandbox.pool import Pool
from sandbox.protocol import Status, Tier

pytestmark = pytest.mark.asyncio(loop_scope="session")

_VICTIM = "import time\ntime.sleep(1.5)\nprint('unharmed')"


async def _beside_a_victim(pool: Pool, code: str) -> list[str]:
    """Run an attack on the host pids of everything that belongs to the pools, and on the bot.

    The victim and the pool must come out of it unharmed.
    """
    victim = asyncio.create_task(attack(pool, _VICTIM))
    await asyncio.sleep(0.3)
    family = psutil.Process().children(recursive=True)
    pids = [os.getpid(), *(process.pid for process in family)]
    known = f"pids = [p for p in {pids} if p != os.getpid()]\n"
    lines = await says(pool, known + textwrap.dedent(code))
    assert (await victim).stdout == "unharmed\n"
    assert (await says(pool, "print('next')")) == ["next"]
    stopped = [p for p in family if p.is_running() and p.status() == psutil.STATUS_STOPPED]
    assert stopped == []
    return lines


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT"])
async def test_no_signal_reaches_the_zygote_or_a_sibling(any_tier: Pool, number: str) -> None:
    code = f"print({{attempt(os.kill, p, signal.{number}) for p in pids}} <= {{'ESRCH', 'EPERM'}})"
    assert await _beside_a_victim(any_tier, code) == ["True"]


async def test_kill_everybody_kills_nobody_else(any_tier: Pool) -> None:
    code = "print(attempt(os.kill, -1, signal.SIGKILL))"
    assert len(await _beside_a_victim(any_tier, code)) == 1


async def test_the_guard_cannot_be_killed(any_tier: Pool) -> None:
    code = """
        for number in range(1, 65):
            attempt(os.kill, os.getppid(), number)
        time.sleep(0.2)
        print(os.getppid() != 0)
    """
    assert await says(any_tier, code) == ["True"]


async def test_nobody_can_be_traced(any_tier: Pool) -> None:
    code = """
        for p in [*pids, os.getppid()]:
            for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
                ctypes.set_errno(0)
                assert libc.ptrace(request, p, 0, 0) == -1
                assert ctypes.get_errno() in (errno.EPERM, errno.ESRCH)
        print("denied")
    """
    assert await _beside_a_victim(any_tier, code) == ["denied"]


async def test_nobodys_proc_files_can_be_read(any_tier: Pool) -> None:
    code = """
        for p in [*pids, os.getppid()]:
            for name in ("mem", "environ", "maps", "auxv", "syscall", "stack", "pagemap"):
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
            try:
                os.listdir(f"/proc/{p}/fd"); print("listed", p, "fd")
            except OSError:
                pass
        print("denied")
    """
    assert await _beside_a_victim(any_tier, code) == ["denied"]


async def test_the_memory_of_others_cannot_be_read_by_system_call(any_tier: Pool) -> None:
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


async def test_the_limits_and_priority_of_others_cannot_be_set(any_tier: Pool) -> None:
    code = """
        import resource
        print(attempt(resource.prlimit, os.getppid(), resource.RLIMIT_CPU, (1, 1)))
        print(attempt(os.sched_setaffinity, os.getppid(), {0}))
        print(attempt(os.setpriority, os.PRIO_PROCESS, os.getppid(), 19))
    """
    assert await says(any_tier, code) == ["EPERM", "EPERM", "EPERM"]


async def test_another_runs_files_are_out_of_reach(any_tier: Pool) -> None:
    secret = secrets.token_hex(8)
    writer = asyncio.create_task(
        attack(
            any_tier,
            f"import tempfile\nopen('own', 'w').write('{secret}')\n"
            f"open(tempfile.gettempdir() + '/tmp-{secret}', 'w')\ntime.sleep(1)",
        )
    )
    await asyncio.sleep(0.4)
    code = f"""
        here = os.getcwd()
        for top in ("/scratch", "/tmp", "/dev/shm", os.path.dirname(here), here + "/../.."):
            for folder, folders, files in os.walk(top):
                for name in files:
                    path = os.path.join(folder, name)
                    assert "{secret}" not in name, path
                    if path.startswith(("/sys/", "/proc/", "/opt/", "/usr/", "/dev/")):
                        continue
                    if attempt(os.path.getsize, path) == 16:
                        assert "{secret}" not in str(attempt(lambda: open(path).read())), path
        print("absent")
    """
    assert await says(any_tier, code) == ["absent"]
    assert (await writer).status is Status.OK


async def test_what_a_run_leaves_is_absent_in_the_next(any_tier: Pool) -> None:
    leave = """
        import tempfile, torch, json
        for folder in (".", tempfile.gettempdir(), "/dev/shm"):
            attempt(lambda: open(folder + "/left", "w"))
        torch.relu = json.dumps = None
        os.environ["LEFT"] = "1"
        sys.modules["left"] = sys
        print("left")
    """
    assert await says(any_tier, leave) == ["left"]
    look = """
        import tempfile, torch, json
        print([f for f in (".", tempfile.gettempdir(), "/dev/shm")
               if os.path.exists(f + "/left")])
        print(torch.relu is None, json.dumps is None, "LEFT" in os.environ, "left" in sys.modules)
    """
    for _ in range(3):
        assert await says(any_tier, look) == ["[]", "False False False False"]


async def test_libraries_cannot_be_written(any_tier: Pool) -> None:
    code = """
        import torch
        places = [os.path.dirname(torch.__file__), os.path.dirname(os.__file__), "/usr/lib", "/etc"]
        print({attempt(lambda: open(p + "/left", "w")) for p in places} <= {"EROFS", "EACCES"})
        print({attempt(os.remove, torch.__file__), attempt(os.chmod, torch.__file__, 0o666)}
              <= {"EROFS", "EACCES", "EPERM"})
    """
    result = await says(any_tier, code)
    assert result[0] == "True"
    assert result[1] == "True" or any_tier.tier is Tier.FLOOR


async def test_message_queues_and_shared_memory_ids_are_denied(any_tier: Pool) -> None:
    code = """
        print(call({"x86_64": 240, "aarch64": 180}[platform.machine()], b"/q", 0o102, 0o600, None))
        print(call({"x86_64": 29, "aarch64": 194}[platform.machine()], 0, 4096, 0o1600))
    """
    assert await says(any_tier, code) == ["EPERM", "EPERM"]


async def test_abstract_sockets_of_the_host_are_out_of_reach(any_tier: Pool) -> None:
    name = secrets.token_hex(8)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        code = f"""
            def connect():
                socket.socket(socket.AF_UNIX).connect("\\0" + "{name}")
            print(attempt(connect) in ("ECONNREFUSED", "EPERM"))
        """
        assert await says(any_tier, code) == ["True"]


async def test_the_environment_holds_no_secret(any_tier: Pool) -> None:
    names = (await says(any_tier, "print(*sorted(os.environ))"))[0].split()
    known = {"HOME", "LANG", "LC_CTYPE", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "TMPDIR"}
    assert set(names) <= known | {"PYTHONUNBUFFERED"}


async def test_the_heap_holds_no_secret_of_the_bot() -> None:
    """The attack knows how the secrets begin, and the hash of what follows, never the rest."""
    begin, end = secrets.token_hex(8), secrets.token_hex(8)
    control_begin, control_end = secrets.token_hex(8), secrets.token_hex(8)
    os.environ["TUTOR_TEST_SECRET"] = begin + end
    code = f"""
        import hashlib
        held = bytes.fromhex("{(control_begin + control_end).encode().hex()}")
        def occurrences(begin, digest):
            count = 0
            for line in open("/proc/self/maps"):
                span, rights = line.split()[:2]
                if not rights.startswith("rw") or "[v" in line:
                    continue
                low, high = (int(x, 16) for x in span.split("-"))
                data = ctypes.string_at(low, high - low)
                at = data.find(begin)
                while at >= 0:
                    count += hashlib.sha256(data[at + 16 : at + 32]).hexdigest() == digest
                    at = data.find(begin, at + 1)
            return count
        print(occurrences(b"{begin}", "{hashlib.sha256(end.encode()).hexdigest()}"))
        digest = "{hashlib.sha256(control_end.encode()).hexdigest()}"
        print(occurrences(b"{control_begin}", digest) > 0)
    """
    try:
        async with Pool(size=1) as pool:
            assert await says(pool, code) == ["0", "True"]
    finally:
        del os.environ["TUTOR_TEST_SECRET"]


async def test_its_own_memory_cannot_be_opened_as_a_file(any_tier: Pool) -> None:
    assert await says(any_tier, "print(attempt(open, '/proc/self/mem', 'r+b'))") == ["EACCES"]


async def test_only_the_standard_descriptors_are_inherited(any_tier: Pool) -> None:
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


async def test_a_forged_result_is_shown_as_output(any_tier: Pool) -> None:
    code = """
        body = b'{"kind":"ending","wait_status":0,"cpu_s":0.0,"peak_mib":0.0,"over":""}'
        frame = struct.pack("!I", len(body)) + body
        for fd in range(3, 300):
            attempt(os.write, fd, frame)
        os.write(1, frame)
        os._exit(9)
    """
    result = await attack(any_tier, code)
    assert (result.status, result.exit_code) == (Status.EXIT, 9)
    assert '"kind":"ending"' in result.stdout


async def test_a_forged_report_is_bounded_and_decides_nothing(any_tier: Pool) -> None:
    """The guest's report lies in memory that the snippet can find: let it write nonsense there."""
    code = """
        import gc, mmap
        report, = [m for m in gc.get_objects() if isinstance(m, mmap.mmap)] or [None]
        if report is None:
            for line in open("/proc/self/maps"):
                if "/dev/zero" in line and "rw-s" in line:
                    low, high = (int(x, 16) for x in line.split()[0].split("-"))
                    ctypes.memset(low, 0xFF, high - low)
                    break
            else:
                print("not found")
        else:
            report[:] = b"\\xff" * len(report)
        os._exit(5)
    """
    result = await attack(any_tier, code)
    assert (result.status, result.exit_code, result.stdout) == (Status.EXIT, 5, ""), result
    assert (await says(any_tier, "print('next')")) == ["next"]


async def test_a_fork_that_runs_to_the_end_gives_no_second_report(strong: Pool) -> None:
    code = """
        import warnings
        warnings.simplefilter("ignore")
        if os.fork() == 0:
            raise ValueError("in the child")
        os.wait()
        print("parent")
    """
    result = await attack(strong, code)
    assert (result.status, result.stdout, result.exception) == (Status.OK, "parent\n", None)


async def test_the_chance_to_be_killed_first_cannot_be_lowered(any_tier: Pool) -> None:
    code = """
        def lower():
            open("/proc/self/oom_score_adj", "w").write("-1000")
        print(attempt(lower) in ("EACCES", "EROFS", "EPERM"))
        print(open("/proc/self/oom_score_adj").read().strip())
    """
    assert await says(any_tier, code) == ["True", "1000"]


async def test_the_hosts_files_are_out_of_sight(any_tier: Pool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    paths = [str(secret), "/etc/shadow", "/root/.bashrc", "/var/log", "/run", str(Path.home())]
    paths.append(str(Path(__file__)))
    code = f"""
        def read(path):
            return os.listdir(path) if os.path.isdir(path) else open(path).read()
        print({{attempt(read, p) for p in {paths}}} <= {{"ENOENT", "EACCES"}})
    """
    assert await says(any_tier, code) == ["True"]


async def test_the_hosts_name_is_not_told(strong: Pool) -> None:
    assert await says(strong, "print(socket.gethostname(), os.uname().nodename)") == ["cell cell"]
