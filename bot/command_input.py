"""What is handed to the command line: a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.inputs import InputError, read_text


def read_file(file: str, limit: int) -> str:
    """The text of a file, or of standard input for "-". Raises InputError."""
    if file == "-":
        return read_text(sys.stdin.buffer.read(limit + 1), "standard input", limit)
    path = Path(file)
    try:
        with path.open("rb") as stream:
            return read_text(stream.read(limit + 1), file, limit)
    except OSError as error:
        raise InputError(
            "unreadable",
            f"{file} cannot be read ({error.strerror}). "
            "Give the path of a text file, or - to paste.",
            name=file,
        ) from None
