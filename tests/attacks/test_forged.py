"""Attacks by words that only the sandbox itself should say: frames, reports, verdicts."""

from __future__ import annotations

import json

import pytest
from attacker import Target, attack, serves

from sandbox.protocol import Result, Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("R")]

_FORGE = """
def forge(body, length=None):
    "Write a report where the sandbox reads it, and leave before the true one is written."
    for line in open("/proc/self/maps"):
        span, rights, *_ = line.split()
        if rights[1] + rights[3] == "ws":
            low, high = (int(x, 16) for x in span.split("-"))
            head = struct.pack("!I", len(body) if length is None else length)
            ctypes.memmove(low, head + body[: high - low - 4], min(high - low, 4 + len(body)))
"""
_BOUND = 600_000
"""Characters of a whole result, however it was forged: output is bounded by a limit of its own."""


async def _forged(target: Target, code: str) -> Result:
    """The result of a run that forged its report by `code`, when it ends itself with code 0."""
    result = await attack(target, _FORGE + code + "\nos._exit(0)")
    body = result.model_dump_json()
    assert len(body.encode()) < _BOUND, len(body)
    assert Result.model_validate_json(body) == result
    json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return result


async def test_a_forged_result_is_shown_as_output(any_tier: Target) -> None:
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


async def test_a_forged_report_decides_nothing(any_tier: Target) -> None:
    code = _FORGE + 'forge(b\'{"how": "finished"}\')\nos._exit(5)'
    result = await attack(any_tier, code)
    assert (result.status, result.exit_code) == (Status.EXIT, 5), result
    code = _FORGE + 'forge(b\'{"how": "finished"}\')\nctypes.string_at(0)'
    result = await attack(any_tier, code)
    assert (result.status, result.signal) == (Status.SIGNAL, 11), result
    code = _FORGE + 'forge(b\'{"how": "finished"}\')\ntime.sleep(60)'
    assert (await attack(any_tier, code, wall_s=0.5)).status is Status.TIMEOUT


async def test_a_report_of_nonsense_is_no_report(any_tier: Target) -> None:
    for body in (
        "bytes(range(256)) * 4000",
        "b'\\xff' * (2 << 20)",
        "b''",
        "b'null'",
        "b'[]'",
        'b\'{"how": "finished", "more": 1}\'',
        'b\'{"how": "perfect"}\'',
        "b'{\"how\": 1}'",
    ):
        result = await _forged(any_tier, f"forge({body})")
        assert (result.status, result.exit_code) == (Status.EXIT, 0), (body, result)


async def test_a_report_with_a_false_length_is_bounded(any_tier: Target) -> None:
    for length in (0, 1, 0xFFFFFFFF, 2 << 20, (2 << 20) - 4):
        body = 'b\'{"how": "finished"}\''
        result = await _forged(any_tier, f"forge({body}, {length})")
        assert result.status is Status.EXIT, (length, result)


async def test_a_report_nested_a_hundred_thousand_deep_is_no_report(any_tier: Target) -> None:
    for body in (
        "b'[' * 100_000",
        "b'{\"a\":' * 100_000",
        'b\'{"how": "error", "scene": \' + b\'{"place":\' * 100_000',
    ):
        assert (await _forged(any_tier, f"forge({body})")).status is Status.EXIT


async def test_numbers_that_are_none_do_not_come_through(any_tier: Target) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "1e5", "true"):
        body = f'{{"how": "finished", "reached": [{number}]}}'
        result = await _forged(any_tier, f"forge({body.encode()!r})")
        assert result.reached == ()
        thing = f'{{"name": "x", "kind": "tensor", "type": "Tensor", "minimum": {number}}}'
        place = '{"line": 1, "function": "f", "code": "x"}'
        body = f'{{"how": "error", "scene": {{"place": {place}, "things": [{thing}]}}}}'
        await _forged(any_tier, f"forge({body.encode()!r})")


async def test_half_characters_in_a_report_do_not_come_through(any_tier: Target) -> None:
    for text in (r"\ud800", r"\udfff\ud800", r"\u0000", "\x7f"):
        message = f'{{"type": "E", "message": "{text}", "traceback": "{text}"}}'
        body = f'{{"how": "error", "exception": {message}}}'
        result = await attack(any_tier, _FORGE + f"forge({body.encode()!r})\nos._exit(1)")
        result.model_dump_json().encode("utf-8")
        assert result.status in (Status.EXIT, Status.ERROR)


async def test_a_long_report_is_bounded(any_tier: Target) -> None:
    for field in ("type", "message", "traceback"):
        exception = {"type": "E", "message": "m", "traceback": "t", field: "LONG"}
        code = f"""
body = {json.dumps({"how": "error", "exception": exception})!r}.replace("LONG", "x" * 1_900_000)
forge(body.encode())
os._exit(1)
"""
        result = await attack(any_tier, _FORGE + code)
        assert len(result.model_dump_json()) < _BOUND, field


async def test_more_rows_than_there_are_lines_do_not_come_through(any_tier: Target) -> None:
    layer = '{"name": "n", "type": "t", "input": "i"},'
    place = '{"line": 1, "function": "f", "code": "x"}'
    code = f"""
body = '{{"how": "error", "scene": {{"place": {place}, "layers": [' + '{layer}' * 9000
forge((body[:-1] + ']}}}}').encode())
os._exit(1)
"""
    result = await attack(any_tier, _FORGE + code)
    assert result.scene is None
    assert (await _forged(any_tier, "forge(b'{\"how\":\"finished\",\"reached\":[1' + b',1' * 99999 "
                                    "+ b']}')")).reached == ()  # fmt: skip


async def test_a_forged_report_is_not_the_next_runs(any_tier: Target) -> None:
    code = _FORGE + 'forge(b\'{"how": "error", "exception": {"type": "Forged", '
    code += '"message": "", "traceback": ""}}\')\nos._exit(1)'
    result = await attack(any_tier, code)
    assert result.exception is not None
    assert result.exception.type == "Forged"
    next_one = await attack(any_tier, "os._exit(1)")
    assert (next_one.status, next_one.exception) == (Status.EXIT, None)
    assert await serves(any_tier)


async def test_a_fork_that_runs_to_the_end_gives_no_second_report(strong: Target) -> None:
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
