"""What is handed to the command line: a file, or standard input."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bot import notebook, ocr, ocr_child
from bot.inputs import InputError, read_text
from bot.notebook import read_notebook, require_error


def read_post(file: str, limit: int) -> str:
    """A post: a text, a notebook's last error with its code, or what a screenshot says.

    Raises InputError.
    """
    match Path(file).suffix.lower():
        case notebook.SUFFIX:
            read = read_notebook(read_file(file, notebook.MAX_BYTES), file)
            return require_error(read, file).post()
        case suffix if suffix in ocr.SUFFIXES:
            data = _data(file, ocr_child.MAX_BYTES)
            text = asyncio.run(ocr.ScreenReader().read(data, file))
            if not text:
                raise InputError("image_no_text", f"No text was found in {file}.", name=file)
            return text
    return read_file(file, limit)


def read_code(file: str, limit: int) -> str:
    """Code: a text, or a notebook's cells up to the one that failed last. Raises InputError."""
    if Path(file).suffix.lower() == notebook.SUFFIX:
        return read_notebook(read_file(file, notebook.MAX_BYTES), file).code
    return read_file(file, limit)


def read_file(file: str, limit: int) -> str:
    """The text of a file, or of standard input for "-". Raises InputError."""
    if file == "-":
        return read_text(sys.stdin.buffer.read(limit + 1), "standard input", limit)
    return read_text(_data(file, limit), file, limit)


def _data(file: str, limit: int) -> bytes:
    """The first bytes of a file, one more than `limit` at most. Raises InputError."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise InputError(
            "unreadable",
            f"{file} cannot be read ({error.strerror}). "
            "Give the path of a text file, or - to paste.",
            name=file,
        ) from None
