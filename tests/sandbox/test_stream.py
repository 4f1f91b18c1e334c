"""Keeping the first and the last bytes of a stream."""

from __future__ import annotations

import asyncio
import fcntl
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.stream import Stream


async def _read(content: bytes, most: int) -> tuple[Stream, bool]:
    read_end, write_end = os.pipe()
    stream, flood = Stream(most), asyncio.Event()
    stream.attach(read_end, flood)
    await asyncio.to_thread(_write, write_end, content)
    await stream.end(5)
    stream.close()
    return stream, flood.is_set()


def _write(fd: int, content: bytes) -> None:
    with os.fdopen(fd, "wb") as file:
        file.write(content)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 5000), most=st.integers(1024, 3000))
def test_a_stream_keeps_its_two_ends_and_counts_what_is_lost(length: int, most: int) -> None:
    content = bytes(97 + i % 26 for i in range(length))
    stream, flooded = asyncio.run(_read(content, most))
    assert stream.truncated is flooded is (length > most)
    if length <= most:
        assert stream.text == content.decode()
    else:
        begin, _, end = stream.text.split("\n")
        assert content.decode().startswith(begin)
        assert content.decode().endswith(end)
        assert len(begin) + len(end) == most
        assert f"{length - most} bytes left out" in stream.text


def test_a_drained_stream_has_what_was_written_while_it_is_still_held_open() -> None:
    content = b"a" * (1 << 19) + b"end"

    async def drained() -> Stream:
        read, write = os.pipe()
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.write(write, content)
        stream = Stream(1 << 20)
        stream.attach(read, asyncio.Event())
        stream.drain()
        os.close(write)
        return stream

    assert asyncio.run(drained()).text == content.decode()


@pytest.mark.parametrize("content", [b"\xff\xfe", "é".encode()[:1], b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_replaced(content: bytes) -> None:
    stream, _ = asyncio.run(_read(content, 1024))
    assert set(stream.text) == {"\ufffd"}
