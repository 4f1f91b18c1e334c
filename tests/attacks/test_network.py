"""Attacks by way of the network, and of the sockets of the worker itself."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest
from attacker import Target, attack, says

from sandbox.protocol import Tier

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("D")]


async def test_no_network_socket_can_be_made(any_tier: Target) -> None:
    code = """
        kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
                 (socket.AF_INET6, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_DGRAM)]
        print({attempt(socket.socket, *kind) for kind in kinds})
    """
    assert await says(any_tier, code) == ["{'EPERM'}"]


async def test_raw_and_packet_sockets_are_denied(any_tier: Target) -> None:
    code = """
        kinds = [(socket.AF_INET, socket.SOCK_RAW), (socket.AF_INET6, socket.SOCK_RAW),
                 (socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_DGRAM)]
        print({attempt(socket.socket, *kind) for kind in kinds})
    """
    assert await says(any_tier, code) == ["{'EPERM'}"]


async def test_netlink_is_denied(any_tier: Target) -> None:
    code = "print({attempt(socket.socket, 16, 3, protocol) for protocol in range(23)})"
    assert await says(any_tier, code) == ["{'EPERM'}"]


async def test_every_other_family_of_sockets_is_denied(any_tier: Target) -> None:
    """vsock, AF_ALG, Bluetooth, CAN, TIPC, XDP and whatever the kernel knows."""
    code = """
        kinds = [(family, kind) for family in range(2, 64) for kind in (1, 2, 3, 5)]
        print({attempt(socket.socket, *kind) for kind in kinds})
        # A number that only its low half makes look harmless.
        print(call(NUMBER["socket"], 1 << 32 | 2, 1, 0), call(NUMBER["socketpair"], 2, 1, 0, 0))
    """
    assert await says(any_tier, code) == ["{'EPERM'}", "EPERM EPERM"]


async def test_the_ports_of_the_host_are_out_of_reach(any_tier: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        port = listener.getsockname()[1]
        code = f"""
            import urllib.request
            try:
                socket.create_connection(("127.0.0.1", {port}), 1)
            except OSError as problem:
                print(type(problem).__name__)
            try:
                urllib.request.urlopen("http://localhost:{port}/")
            except OSError as problem:
                print(type(problem).__name__)
        """
        assert await says(any_tier, code) == ["PermissionError", "URLError"]
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_the_metadata_address_is_out_of_reach(any_tier: Target) -> None:
    code = """
        for address in ("169.254.169.254", "fd00:ec2::254", "metadata.google.internal"):
            try:
                socket.create_connection((address, 80), 1)
            except OSError as problem:
                print(type(problem).__name__)
    """
    answers = await says(any_tier, code)
    assert answers[:2] == ["PermissionError"] * 2
    assert answers[2:] in (["PermissionError"], ["gaierror"])


async def test_names_are_not_resolved(any_tier: Target) -> None:
    code = """
        try:
            print(socket.getaddrinfo("example.com", 80))
        except OSError:
            print("no answer")
    """
    assert await says(any_tier, code) == ["no answer"]


async def test_there_is_no_network_card(strong: Target) -> None:
    result = await attack(strong, "print(open('/proc/self/net/dev').read().count(':'), end='')")
    # The loopback device is there, and down.
    assert result.stdout in ("1", "0"), result
    assert result.tier is Tier.STRONG


async def test_abstract_sockets_of_the_host_are_out_of_reach(any_tier: Target) -> None:
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


async def test_sockets_of_the_worker_itself_are_out_of_reach(
    any_tier: Target, tmp_path: Path
) -> None:
    """A socket in the file system, as a queue or a container engine listens on one."""
    path = tmp_path / "queue.sock"
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        listener.settimeout(0.1)
        code = f"""
            def connect(path, kind):
                socket.socket(socket.AF_UNIX, kind).connect(path)
            for path in ("{path}", "/var/run/docker.sock", "/run/redis/redis.sock"):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
                    assert attempt(connect, path, kind) in ("ENOENT", "EPERM", "EACCES"), path
            print("denied")
        """
        assert await says(any_tier, code) == ["denied"]
        with pytest.raises(TimeoutError):
            listener.accept()


async def test_descriptors_travel_only_within_a_run(any_tier: Target) -> None:
    """SCM_RIGHTS works between one's own sockets; what is inherited takes and gives none."""
    code = """
        import array
        one, other = socket.socketpair()
        socket.send_fds(one, [b"x"], [1])
        print(len(socket.recv_fds(other, 1, 4)[1]))
        def send(fd):
            socket.socket(fileno=os.dup(fd)).sendmsg(
                [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
        print({attempt(send, fd) for fd in (0, 1, 2)})
    """
    assert await says(any_tier, code) == ["1", "{'ENOTSOCK'}"]
