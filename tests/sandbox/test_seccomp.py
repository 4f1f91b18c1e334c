"""The policy that reads like documentation, and the filter made of it."""

from __future__ import annotations

import struct

import pytest

from sandbox.protocol import Device, Tier
from sandbox.seccomp import assemble, numbers, policy

_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_TIERS = (Tier.FLOOR, Tier.STRONG)


def verdict(
    program: bytes, number: int, args: tuple[int, ...] = (), arch: int = _ARCH["x86_64"]
) -> int:
    """Run a filter as the kernel does, on one system call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    lines = list(struct.iter_unpack("=HBBI", program))
    accumulator = place = 0
    while True:
        code, if_true, if_false, value = lines[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x15:
            place += if_true if accumulator == value else if_false
        elif code == 0x35:
            place += if_true if accumulator >= value else if_false
        else:
            assert code == 0x06
            return value


@pytest.mark.parametrize("tier", _TIERS)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("device", list(Device))
def test_the_filter_says_what_the_policy_says(tier: Tier, machine: str, device: Device) -> None:
    program = assemble(tier, machine, device)
    table = numbers(machine)
    plain: set[str] = set()
    conditional: set[str] = set()
    for group in policy().allowed:
        if tier in group.tiers and device in group.devices:
            (conditional if group.when else plain).update(group.names)
    absent = {name for group in policy().not_implemented for name in group.names}
    for name, number in table.items():
        expected = _ALLOW if name in plain else _ENOSYS if name in absent else _EPERM
        if name not in conditional:
            assert verdict(program, number, arch=_ARCH[machine]) == expected, name


@pytest.mark.parametrize("tier", _TIERS)
def test_nothing_denied_on_purpose_is_allowed_elsewhere(tier: Tier) -> None:
    denied = {name for group in policy().denied_on_purpose for name in group.names}
    allowed = {n for g in policy().allowed if tier in g.tiers for n in g.names}
    assert denied & allowed == set()


def test_every_name_is_a_system_call() -> None:
    groups = (*policy().allowed, *policy().not_implemented, *policy().denied_on_purpose)
    assert {name for group in groups for name in group.names} <= set(numbers("x86_64"))


def test_a_foreign_architecture_is_killed() -> None:
    program = assemble(Tier.STRONG, "x86_64")
    assert verdict(program, 0, arch=0x40000003) == _KILL
    assert verdict(program, 0x40000000) == _KILL
    assert verdict(program, 0x40000000 + 59) == _KILL


def test_conditions_look_at_arguments() -> None:
    strong, floor = (assemble(tier, "x86_64") for tier in (Tier.STRONG, Tier.FLOOR))
    table = numbers("x86_64")
    thread = 0x3D0F00
    assert verdict(strong, table["clone"], (17,)) == _ALLOW
    assert verdict(strong, table["clone"], (17 | 0x10000000,)) == _EPERM
    assert verdict(strong, table["clone"], (thread,)) == _ALLOW
    assert verdict(floor, table["clone"], (17,)) == _EPERM
    assert verdict(floor, table["clone"], (thread,)) == _ALLOW
    assert verdict(floor, table["clone"], (thread | 0x40000000,)) == _EPERM
    assert verdict(strong, table["socket"], (1,)) == _ALLOW
    assert verdict(strong, table["socket"], (2,)) == _EPERM
    assert verdict(strong, table["socket"], (1 | 1 << 32,)) == _EPERM
    assert verdict(floor, table["socket"], (1,)) == _EPERM
    assert verdict(floor, table["socketpair"], (1,)) == _ALLOW
    assert verdict(strong, table["prlimit64"], (0, 7)) == _ALLOW
    assert verdict(strong, table["prlimit64"], (1, 7)) == _EPERM
    assert verdict(strong, table["prctl"], (15,)) == _ALLOW
    assert verdict(strong, table["prctl"], (4, 1)) == _EPERM
    assert verdict(strong, table["ioctl"], (1, 0x5401)) == _ALLOW
    assert verdict(strong, table["ioctl"], (1, 0x5412)) == _EPERM
    assert verdict(strong, table["setpriority"], (0, 0)) == _ALLOW
    assert verdict(strong, table["setpriority"], (0, 5)) == _EPERM


def test_only_a_cell_on_a_gpu_orders_anything_of_its_driver() -> None:
    cpu, cuda = (assemble(Tier.FLOOR, "x86_64", device) for device in Device)
    table = numbers("x86_64")
    allocate, map_memory, reserve, initialize = 0xC020462B, 0xC038464E, 1, 0x30000001
    for request in (allocate, map_memory, reserve, initialize):
        assert verdict(cpu, table["ioctl"], (9, request)) == _EPERM
        assert verdict(cuda, table["ioctl"], (9, request)) == _ALLOW
    steal_input, set_flags_of_a_file = 0x5412, 0x40086602
    for request in (steal_input, set_flags_of_a_file):
        assert verdict(cuda, table["ioctl"], (9, request)) == _EPERM
    assert verdict(cuda, table["get_mempolicy"]) == _ALLOW
    assert verdict(cpu, table["get_mempolicy"]) == _EPERM
