"""Reads what strangers hand in, and refuses it in words before anything else sees it."""

from __future__ import annotations

from collections.abc import Mapping

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


class InputError(ValueError):
    """Input that cannot be used.

    The message is English; `key` and `values` let a front end translate it: every `key` has a
    text "input.<key>" in bot/locales.
    """

    def __init__(self, key: str, message: str, **values: str) -> None:
        super().__init__(message)
        self.key = key
        self.values: Mapping[str, str] = values


def read_text(data: bytes, name: str, limit: int) -> str:
    """The text of a file of at most `limit` bytes.

    UTF-8 is taken with or without a byte order mark, UTF-16 with one (a Windows console redirected
    into a file). Raises InputError for a file that is too large, binary, empty or in another
    encoding.
    """
    if len(data) > limit:
        raise InputError(
            "too_large",
            f"{name} has more than {limit:,} bytes, the most that is read. "
            "Hand in the part around the error: the last 200 lines are plenty.",
            name=name,
            limit=f"{limit:,}",
        )
    encoding = next((e for mark, e in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding != "utf-16" and b"\0" in data:
        raise InputError(
            "binary",
            f"{name} is not a text file. Hand in the traceback or the code as text.",
            name=name,
        )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            "not_utf8",
            f"{name} is not valid UTF-8 (byte {error.start}). Save it as UTF-8 and try again.",
            name=name,
            position=str(error.start),
        ) from None
    return require_text(text, name)


def require_text(text: str, name: str) -> str:
    """`text` itself, when it says anything. Raises InputError for blank text."""
    if not text.strip():
        raise InputError(
            "empty",
            f"{name} is empty. Paste the whole traceback, from 'Traceback' to its last line.",
            name=name,
        )
    return text
