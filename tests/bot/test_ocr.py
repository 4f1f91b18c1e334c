"""Screenshots are read as they were written, behind walls, and refused in words."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest
from screenshots import DARK, GREEN, LIGHT, Look, screenshot

from bot.inputs import InputError
from bot.ocr import ScreenReader, require_image
from bot.ocr_child import MAX_BYTES
from knowledge.post import parse

TRACEBACK = """\
Traceback (most recent call last):
  File "/home/me/train.py", line 42, in <module>
    output = model(x.view(-1, 784))
  File "/home/me/net.py", line 9, in forward
    return self.fc(x)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x784 and 512x10)"""


@pytest.fixture
def reader() -> ScreenReader:
    return ScreenReader()


def png_header(width: int, height: int) -> bytes:
    """The begin of a PNG that claims this size, and nothing behind it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    check = struct.pack(">I", zlib.crc32(header))
    data = struct.pack(">I", 1 << 20) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + check + data


def stand_in(path: Path, script: str) -> str:
    """A program to be started instead of the Python that reads."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize("look", [DARK, LIGHT, GREEN], ids=["dark png", "light jpeg", "green webp"])
async def test_a_screenshot_of_a_traceback_is_read_as_it_was_written(
    reader: ScreenReader, look: Look
) -> None:
    read = parse(await reader.read(screenshot(TRACEBACK, look), "shot.png"))
    written = parse(TRACEBACK)

    assert read.errors[0].message == written.errors[0].message
    assert [frame.line for frame in read.errors[0].frames] == [42, 9]


async def test_indentation_survives(reader: ScreenReader) -> None:
    code = "def first(x):\n    for each in x:\n        return each\n    return None"
    read = await reader.read(screenshot(code), "shot.png")

    assert [len(line) - len(line.lstrip()) for line in read.split("\n")] == [0, 4, 8, 4]


async def test_a_picture_without_text_holds_none(reader: ScreenReader) -> None:
    assert await reader.read(screenshot("   "), "plot.png") == ""


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "not_an_image"),
        (screenshot(TRACEBACK)[:400], "not_an_image"),
        (png_header(60_000, 60_000), "image_too_large"),
        (png_header(1, 500_000), "image_too_large"),
        (b"GIF89a" + b"\0" * 64, "not_an_image"),
        (b"\xff\xd8\xff" + b"x" * MAX_BYTES, "image_too_large"),
    ],
    ids=["no chunks", "cut off", "a bomb", "a thread", "another format", "too many bytes"],
)
async def test_bad_images_are_refused_by_name(reader: ScreenReader, data: bytes, key: str) -> None:
    with pytest.raises(InputError) as refused:
        await reader.read(data, "shot.png")

    assert refused.value.key == key
    assert "shot.png" in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\0\0\0\0AVI "])
def test_what_is_no_image_starts_no_process(data: bytes) -> None:
    with pytest.raises(InputError):
        require_image(data, "shot.png")


def test_behind_the_walls_there_is_no_file_no_network_no_program_and_little_memory() -> None:
    tries = textwrap.dedent(
        """
        import os, socket
        from bot.ocr_child import wall_in
        wall_in()
        def tried(name, act):
            try:
                act()
            except (OSError, MemoryError):
                return
            os.write(1, name.encode() + b" ")
        def child():
            if os.fork() == 0:
                os._exit(0)
        tried("read", lambda: open("/etc/passwd"))
        tried("list", lambda: os.listdir("/"))
        tried("write", lambda: open("/tmp/x", "w"))
        tried("connect", lambda: socket.create_connection(("127.0.0.1", 9), 1))
        tried("listen", lambda: socket.create_server(("127.0.0.1", 0)))
        tried("run", lambda: os.execv("/bin/true", ["true"]))
        tried("fork", child)
        tried("memory", lambda: bytearray(3 << 30))
        os.write(1, b"done")
        """
    )
    ended = subprocess.run([sys.executable, "-c", tries], capture_output=True, check=False)

    assert ended.stdout == b"done", ended.stderr.decode()


async def test_the_reading_process_sees_nothing_of_the_bots_environment(
    reader: ScreenReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUTOR_TOKEN", "a-token-for-tests")
    told = tmp_path / "told"
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "spy", f"env > {told}"))
    with pytest.raises(InputError):
        await reader.read(screenshot("x"), "shot.png")

    assert "LANG" in told.read_text()
    assert "TOKEN" not in told.read_text()


@pytest.mark.parametrize(
    "script",
    [
        "echo no json",
        "exit 1",
        'echo \'{"boxes": [{"left": 0, "top": 0, "right": 1e9, "bottom": 1, "text": "x"}]}\'',
        "head -c 3000000 /dev/zero",
        "sleep 60",
    ],
)
async def test_whatever_the_reading_process_does_becomes_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "child", script))
    with pytest.raises(InputError) as refused:
        await ScreenReader(timeout_s=2).read(screenshot("x"), "shot.png")

    assert refused.value.key == "image_unread"


async def test_more_pictures_than_can_wait_are_refused_and_the_others_read() -> None:
    reader = ScreenReader(at_once=1, waiting=1)
    image = screenshot("NameError: name 'x' is not defined")
    results = await asyncio.gather(
        *(reader.read(image, f"{number}.png") for number in range(3)), return_exceptions=True
    )

    refused = [result for result in results if isinstance(result, InputError)]
    assert [error.key for error in refused] == ["image_busy"]
    assert len([result for result in results if isinstance(result, str) and "x" in result]) == 2
