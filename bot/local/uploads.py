"""What a file that somebody sends is called and taken for."""

from __future__ import annotations

import mimetypes
import re


def safe_filename(name: str) -> str:
    """`name` as Discord stores it: no path, no surprises in an address or a header."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    cleaned = re.sub(r"[^\w.\-]+", "_", base, flags=re.UNICODE).strip(".")
    return cleaned[-100:] or "file"


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def content_type(name: str, data: bytes) -> str:
    """The media type: pictures by their first bytes, everything else by name, never markup."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    guessed = mimetypes.guess_type(name)[0] or ""
    if name.endswith((".py", ".log", ".txt", ".md")) or guessed.startswith("text/"):
        return "text/plain; charset=utf-8"
    return guessed if guessed.startswith("application/") else "application/octet-stream"
