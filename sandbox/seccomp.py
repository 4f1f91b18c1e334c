"""Turns sandbox/seccomp.json, which reads like documentation, into a seccomp filter."""

from __future__ import annotations

import errno
import json
import struct
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sandbox import kernel
from sandbox.protocol import Device, Frozen, Tier

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16


class Condition(Frozen):
    """One demand on an argument: it is one of `within`, or `argument & mask == equals`."""

    arg: Annotated[int, Field(ge=0, le=5)]
    within: tuple[int, ...] = Field(default=(), alias="in")
    mask: int | None = None
    equals: int = 0


class Group(Frozen):
    """System calls that are treated alike, with the reason."""

    why: str
    names: tuple[str, ...]
    tiers: tuple[Tier, ...] = (Tier.FLOOR, Tier.STRONG)
    devices: tuple[Device, ...] = tuple(Device)
    when: tuple[tuple[Condition, ...], ...] = ()


class Policy(Frozen):
    """The whole of seccomp.json."""

    about: tuple[str, ...]
    allowed: tuple[Group, ...]
    not_implemented: tuple[Group, ...]
    denied_on_purpose: tuple[Group, ...]


@cache
def policy() -> Policy:
    """The shipped policy. Raises pydantic.ValidationError when the file is broken."""
    text = Path(__file__).with_name("seccomp.json").read_text("utf-8")
    return Policy.model_validate_json(text)


@cache
def numbers(machine: str) -> dict[str, int]:
    """System-call numbers by name for `machine`, as the kernel headers have them."""
    table = json.loads(Path(__file__).with_name("syscalls.json").read_text("utf-8"))
    return dict(table[machine])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _demand(condition: Condition) -> list[bytes]:
    """Instructions that fall through when the condition holds, and else jump to just behind
    the group of instructions; the jump is filled in by `_alternative`. Marked by if_false=255."""
    low = _ARGS_AT + 8 * condition.arg
    if condition.mask is not None:
        # Only the low half: the kernel itself looks at no more of the flags tested so.
        return [
            _instruction(_LOAD, low),
            _instruction(_AND, condition.mask),
            _instruction(_IF_EQUAL, condition.equals, 0, 255),
        ]
    lines = [
        _instruction(_LOAD, low + 4),
        _instruction(_IF_EQUAL, 0, 0, 255),
        _instruction(_LOAD, low),
    ]
    last = len(condition.within) - 1
    for place, value in enumerate(condition.within):
        lines.append(_instruction(_IF_EQUAL, value, last - place, 0 if place < last else 255))
    return lines


def _alternative(conditions: tuple[Condition, ...]) -> list[bytes]:
    lines = [line for condition in conditions for line in _demand(condition)]
    lines.append(_instruction(_RETURN, _ALLOW))
    for place, line in enumerate(lines):
        code, if_true, if_false, value = struct.unpack("=HBBI", line)
        if if_false == 255:
            lines[place] = _instruction(code, value, if_true, len(lines) - place - 1)
    return lines


def _rule(number: int, body: list[bytes]) -> list[bytes]:
    """`body` when the call is `number`; the number is loaded again for whatever follows."""
    if len(body) == 1:
        return [_instruction(_IF_EQUAL, number, 0, 1), *body]
    body = [*body, _instruction(_LOAD, _NUMBER_AT)]
    return [_instruction(_IF_EQUAL, number, 0, len(body)), *body]


@cache
def assemble(tier: Tier, machine: str = kernel.MACHINE, device: Device = Device.CPU) -> bytes:
    """The filter for cells of `tier` on `device`, as packed BPF instructions.

    Names that `machine` does not have (old calls on new architectures) are left out.
    """
    table = numbers(machine)
    lines = [
        _instruction(_LOAD, _ARCH_AT),
        _instruction(_IF_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        lines += [_instruction(_IF_AT_LEAST, _X32_BIT, 0, 1), _instruction(_RETURN, _KILL)]
    absent = _instruction(_RETURN, _ERRNO | errno.ENOSYS)
    for group in policy().not_implemented:
        for name in group.names:
            lines += _rule(table[name], [absent])
    for group in policy().allowed:
        if tier not in group.tiers or device not in group.devices:
            continue
        body = [line for choice in group.when for line in _alternative(choice)]
        for name in group.names:
            if name in table:
                lines += _rule(table[name], body or [_instruction(_RETURN, _ALLOW)])
    lines.append(_instruction(_RETURN, _ERRNO | errno.EPERM))
    return b"".join(lines)
