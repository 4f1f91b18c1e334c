"""Attacks by what a run writes to its two streams."""

from __future__ import annotations

import json

import pytest
from attacker import Target, attack, serves

from sandbox.protocol import Status

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.outcome("R")]


@pytest.mark.outcome("K")
@pytest.mark.parametrize("stream", [1, 2], ids=["stdout", "stderr"])
async def test_a_flood_ends_the_run_and_keeps_its_two_ends(any_tier: Target, stream: int) -> None:
    code = f"os.write({stream}, b'BEGIN')\nwhile True: os.write({stream}, b'x' * 65536)"
    result = await attack(any_tier, code, output_bytes=10_000)
    text = result.stdout if stream == 1 else result.stderr
    assert (result.status, result.truncated) == (Status.OUTPUT_LIMIT, True)
    assert text.startswith("BEGINxxx")
    assert text.endswith("xxx")
    assert len(text) < 10_100


@pytest.mark.outcome("K")
async def test_a_line_of_100_megabytes_is_capped(any_tier: Target) -> None:
    result = await attack(any_tier, "for _ in range(100): print('x' * 10**6, end='')")
    assert result.truncated
    assert result.status is Status.OUTPUT_LIMIT
    assert len(result.stdout) < 1_000_100


async def test_bytes_that_are_no_text_are_shown_replaced(any_tier: Target) -> None:
    result = await attack(any_tier, r"os.write(1, b'a\xff\xfe\0b\n\xed\xa0\x80')")
    assert result.stdout.startswith("a\ufffd\ufffd\0b\n\ufffd")
    json.loads(result.model_dump_json())
    result.model_dump_json().encode()


async def test_lone_surrogates_are_shown_written_out(any_tier: Target) -> None:
    result = await attack(any_tier, r"print('\ud800', '\udfff'); raise ValueError('\ud800')")
    assert result.stdout == "\\ud800 \\udfff\n"
    assert result.exception is not None
    result.model_dump_json().encode()


async def test_closed_streams_change_nothing(any_tier: Target) -> None:
    result = await attack(any_tier, "print('said', flush=True)\nos.close(1); os.close(2)\nx = 1")
    assert (result.stdout, result.stderr) == ("said\n", "")
    assert await serves(any_tier)


async def test_output_cannot_be_taken_back(any_tier: Target) -> None:
    """A reader of one's own pipe would swallow what was written; the pipe is for writing only."""
    code = """
        import fcntl
        print("said", flush=True)
        print(attempt(os.read, 1, 4), attempt(os.lseek, 1, 0, 0), attempt(os.ftruncate, 1, 0))
        fcntl.fcntl(1, 1031, 4096)  # F_SETPIPE_SZ: the smallest
        fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK)
    """
    result = await attack(any_tier, code)
    assert result.stdout.startswith("said\nEBADF ESPIPE EINVAL\n")


async def test_a_stream_held_open_does_not_hold_the_result(strong: Target) -> None:
    """A process that is left keeps the pipe; it is gone with the run."""
    code = """
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
        print("parent")
    """
    result = await attack(strong, code)
    assert (result.status, result.stdout) == (Status.OK, "parent\n")


async def test_a_million_tiny_writes_are_read(any_tier: Target) -> None:
    code = "for _ in range(20_000): os.write(1, b'x')"
    result = await attack(any_tier, code)
    assert result.stdout == "x" * 20_000
