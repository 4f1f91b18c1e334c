"""Reads the text of screenshots, each in a process of its own that ends with it.

An image is bytes from a stranger, and decoders and recognisers are large programs in C++. So the
bot's process looks at the first bytes and at the size only; `bot.ocr_child` does the rest behind
walls, with none of the bot's environment, and what it tells is data to check.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.inputs import InputError
from bot.ocr_child import MAX_BOXES, MAX_BYTES, MAX_PIXELS
from bot.screen_text import Box, text_of

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
TIMEOUT_S: Final = 60.0
_MAX_TOLD: Final = 1 << 20
_ENVIRONMENT: Final = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_SIGNATURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class _Told(BaseModel):
    """What the child tells: boxes, or what is wrong with the image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boxes: Annotated[tuple[Box, ...], Field(max_length=MAX_BOXES)] = ()
    fault: Literal["image_too_large", "not_an_image"] | None = None


class ScreenReader:
    """Reads images, `at_once` at the same time; at most `waiting` more stand in line."""

    def __init__(self, *, at_once: int = 1, waiting: int = 8, timeout_s: float = TIMEOUT_S) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._here = 0
        self._timeout_s = timeout_s

    async def read(self, data: bytes, name: str) -> str:
        """The text of an image, line by line; empty when there is none.

        Raises InputError for what is no image, is too large, takes too long, or comes while too
        many others wait.
        """
        require_image(data, name)
        if self._here >= self._most:
            raise InputError(
                "image_busy",
                f"{name} is not read: too many pictures are waiting. Paste the error as text, "
                "or try again in a minute.",
                name=name,
            )
        self._here += 1
        try:
            async with self._turns:
                told = await self._told(data, name)
        finally:
            self._here -= 1
        if told.fault == "image_too_large":
            raise _too_large(name)
        if told.fault is not None:
            raise _not_an_image(name)
        return text_of(told.boxes)

    async def _told(self, data: bytes, name: str) -> _Told:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.ocr_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                output = await _exchanged(child, data)
            return _Told.model_validate_json(output)
        except (TimeoutError, ValidationError):
            raise InputError(
                "image_unread",
                f"The text of {name} could not be read. Paste the error as text instead.",
                name=name,
            ) from None
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # the leader of its session
            await child.communicate()  # what it wrote beyond the bound keeps asyncio waiting


def require_image(data: bytes, name: str) -> None:
    """Raises InputError unless the bytes are few enough and begin as a PNG, JPEG or WebP does."""
    if len(data) > MAX_BYTES:
        raise _too_large(name)
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    if not webp and not data.startswith(_SIGNATURES):
        raise _not_an_image(name)


async def _exchanged(child: asyncio.subprocess.Process, data: bytes) -> bytes:
    """What the child writes, up to a bound, after it got the image."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("The child was started without pipes.")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(data)
        await child.stdin.drain()
        child.stdin.close()
    output = b""
    while len(output) <= _MAX_TOLD and (more := await child.stdout.read(1 << 16)):
        output += more
    return output


def _too_large(name: str) -> InputError:
    return InputError(
        "image_too_large",
        f"{name} is too large to be read: at most {MAX_BYTES >> 20} MB and "
        f"{MAX_PIXELS // 1_000_000} million pixels. Cut out the part with the error, or paste it.",
        name=name,
        megabytes=str(MAX_BYTES >> 20),
        megapixels=str(MAX_PIXELS // 1_000_000),
    )


def _not_an_image(name: str) -> InputError:
    return InputError(
        "not_an_image",
        f"{name} is not a picture that can be read. PNG, JPEG and WebP can; pasted text is best.",
        name=name,
    )
