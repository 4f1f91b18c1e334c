"""Bad input is refused with a sentence that names it and the remedy."""

from __future__ import annotations

import pytest

from bot.inputs import InputError, read_text

LIMIT = 1000


@pytest.mark.parametrize(
    ("data", "key", "remedy"),
    [
        (b"x" * (LIMIT + 1), "too_large", "last 200 lines"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary", "as text"),
        ("日本語".encode("shift_jis"), "not_utf8", "Save it as UTF-8"),
        (b"  \n\t ", "empty", "Paste the whole traceback"),
        (b"", "empty", "Paste the whole traceback"),
    ],
)
def test_bad_bytes_are_refused_by_name_with_a_remedy(data: bytes, key: str, remedy: str) -> None:
    with pytest.raises(InputError) as refused:
        read_text(data, "error.log", LIMIT)

    assert refused.value.key == key
    assert "error.log" in str(refused.value)
    assert remedy in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_the_encodings_that_consoles_write(encoding: str) -> None:
    assert read_text("形状 shape\n".encode(encoding), "error.log", LIMIT) == "形状 shape\n"
