"""Attacks on the kernel's walls and on the network."""

from __future__ import annotations

import socket
import time

import pytest
from attacker import attack, says

from sandbox.pool import Pool
from sandbox.protocol import Status, Tier
from sandbox.seccomp import numbers, policy

pytestmark = pytest.mark.asyncio(loop_scope="session")

_DENIED = sorted({name for group in policy().denied_on_purpose for name in group.names})


async def test_every_system_call_denied_on_purpose_is_denied(any_tier: Pool) -> None:
    table = numbers("x86_64")
    wanted = {name: table[name] for name in _DENIED}
    code = f"""
        from json import dumps
        if platform.machine() != "x86_64":
            raise SystemExit("x86_64 only")
        print(dumps({{name: call(number, *[0] * 6) for name, number in {wanted}.items()}}))
    """
    result = await attack(any_tier, code)
    if "x86_64 only" in result.stderr:
        pytest.skip("the numbers in this test are those of x86-64")
    assert result.status is Status.OK, result
    for name in _DENIED:
        assert f'"{name}": "EPERM"' in result.stdout, name


async def test_a_foreign_architecture_is_killed(any_tier: Pool) -> None:
    code = """
        import mmap
        if platform.machine() != "x86_64":
            raise SystemExit("x86_64 only")
        # mov eax, 20 (getpid of i386); int 0x80; ret
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex("b814000000cd80c3"))
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        print("alive")
    """
    result = await attack(any_tier, code)
    if "x86_64 only" in result.stderr:
        pytest.skip("int 0x80 is x86-64's")
    assert (result.status, result.signal, result.stdout) == (Status.SIGNAL, 31, ""), result


async def test_clone_with_new_namespaces_is_denied(any_tier: Pool) -> None:
    code = """
        clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
        for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x02000000, 0x0C000000):
            answer = call(clone, flag | 17, 0, 0, 0, 0)
            if answer == 0:
                os._exit(0)
            assert answer == "EPERM", answer
        print(call(435, 0, 0))
    """
    assert await says(any_tier, code) == ["ENOSYS"]


async def test_mounts_cannot_be_changed(strong: Pool) -> None:
    code = """
        before = open("/proc/self/mountinfo").read()
        for place in (b"/", b"/tmp", b"/proc", b"/opt", b"/dev/shm"):
            assert libc.mount(b"none", place, b"tmpfs", 0, None) == -1
            assert libc.mount(None, place, None, 32 | 4096, None) == -1
            assert libc.umount2(place, 2) == -1
        print(before == open("/proc/self/mountinfo").read())
    """
    assert await says(strong, code) == ["True"]


async def test_no_capability_is_left(any_tier: Pool) -> None:
    code = """
        lines = dict(l.split(":", 1) for l in open("/proc/self/status"))
        print(*[int(lines[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")])
        print(lines["NoNewPrivs"].strip(), lines["Seccomp"].strip())
    """
    assert await says(any_tier, code) == ["0 0 0 0", "1 2"]


async def test_identities_cannot_be_taken(any_tier: Pool) -> None:
    code = """
        print(attempt(os.setuid, 0), attempt(os.setgroups, [0]), attempt(os.setresgid, 0, 0, 0))
        if os.path.isdir("/scratch"):
            assert (os.getuid(), os.geteuid(), os.getgid()) == (1000, 1000, 1000)
    """
    assert await says(any_tier, code) == ["EPERM EPERM EPERM"]


async def test_no_program_can_be_started(any_tier: Pool) -> None:
    code = """
        import subprocess
        def start():
            subprocess.run([os.path.realpath("/proc/self/exe"), "-c", "print('ran')"])
        def replace():
            os.execv("/bin/sh", ["sh", "-c", "echo ran"])
        print(attempt(replace))
        start()
    """
    result = await attack(any_tier, code)
    assert result.stdout == "EPERM\n"
    assert result.exception is not None
    assert result.exception.type == "PermissionError"
    assert "starts no other programs" in result.detail


async def test_a_program_in_memory_cannot_be_started(any_tier: Pool) -> None:
    code = """
        print(attempt(os.memfd_create, "x"))
        fd = os.open("program", os.O_CREAT | os.O_RDWR, 0o755)
        number = {"x86_64": 322, "aarch64": 281}[platform.machine()]
        print(call(number, fd, b"", None, None, 0x1000))
    """
    assert await says(any_tier, code) == ["EPERM", "EPERM"]


async def test_the_clock_cannot_be_set(any_tier: Pool) -> None:
    before = time.time() - time.monotonic()
    assert await says(any_tier, "print(attempt(time.clock_settime, 0, 0.0))") == ["EPERM"]
    assert abs(time.time() - time.monotonic() - before) < 1


async def test_priority_cannot_be_raised(any_tier: Pool) -> None:
    code = """
        print(attempt(os.nice, -5) in ("EPERM", "EACCES"))
        print(attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)))
        print(os.getpriority(os.PRIO_PROCESS, 0) >= 0)
    """
    assert await says(any_tier, code) == ["True", "EPERM", "True"]


async def test_device_files_are_the_harmless_four(strong: Pool) -> None:
    code = """
        print(sorted(n for n in os.listdir("/dev") if not os.path.islink("/dev/" + n)))
        print(attempt(os.mknod, "disk", 0o60600, os.makedev(8, 0)), attempt(os.mkfifo, "pipe"))
    """
    assert await says(strong, code) == [
        "['null', 'random', 'shm', 'urandom', 'zero']",
        "EPERM EPERM",
    ]


# --- Network --------------------------------------------------------------------------------------


async def test_no_network_socket_can_be_made(any_tier: Pool) -> None:
    code = """
        kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM),
                 (socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW),
                 (socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_VSOCK, socket.SOCK_STREAM),
                 (38, socket.SOCK_SEQPACKET)]  # the last is AF_ALG
        print({attempt(socket.socket, *kind) for kind in kinds})
    """
    assert await says(any_tier, code) == ["{'EPERM'}"]


async def test_the_hosts_ports_and_the_metadata_address_are_out_of_reach(any_tier: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        code = f"""
            import urllib.request
            for address in (("127.0.0.1", {port}), ("169.254.169.254", 80)):
                try:
                    socket.create_connection(address, 1)
                except OSError as problem:
                    print(type(problem).__name__)
            try:
                urllib.request.urlopen("http://localhost:{port}/")
            except OSError as problem:
                print(type(problem).__name__)
        """
        assert await says(any_tier, code) == ["PermissionError", "PermissionError", "URLError"]
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_names_are_not_resolved(any_tier: Pool) -> None:
    code = """
        try:
            print(socket.getaddrinfo("example.com", 80))
        except OSError:
            print("no answer")
    """
    assert await says(any_tier, code) == ["no answer"]


async def test_there_is_no_network_card(strong: Pool) -> None:
    code = "print(open('/proc/self/net/dev').read().count(':'), end='')"
    result = await attack(strong, code)
    # The loopback device is there, and down.
    assert result.stdout in ("1", "0"), result
    assert result.tier is Tier.STRONG
