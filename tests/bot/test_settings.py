"""Settings are documented, and a bad one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsError

OPERATOR_PAGE = Path(__file__).parents[2] / "docs" / "operator.md"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_each_setting_is_documented_for_operators(name: str) -> None:
    assert f"`TUTOR_{name.upper()}`" in OPERATOR_PAGE.read_text(encoding="utf-8")


def test_the_token_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret-token\n", encoding="utf-8")

    settings = Settings(token_file=file)
    token = settings.read_token()

    assert token is not None
    assert token.get_secret_value() == "secret-token"
    assert "secret-token" not in repr(settings) + repr(token)


@pytest.mark.parametrize("content", [None, b"", b"  \n", b"\xff\xfe\xfa"])
def test_an_unusable_token_file_is_named_with_the_remedy(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError, match=r"token file .*token"):
        Settings(token_file=file).read_token()
