"""What the local Discord refuses, as Discord does although its description does not say so."""

from __future__ import annotations

import pytest

from bot.local import errors
from bot.local.limits import check_choices, check_commands, check_message, check_modal
from bot.local.model import JSON


def _row(*children: JSON) -> JSON:
    return {"components": [{"type": 1, "components": [*children]}]}


def _button(**about: object) -> JSON:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go", **about}


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ({"content": "x" * 2_001}, "content"),
        ({"embeds": [{"description": "x" * 4_097}]}, "embeds"),
        ({"embeds": [{"description": "x" * 3_001}, {"description": "x" * 3_000}]}, "embeds"),
        ({"embeds": [{"fields": [{"name": "", "value": "x"}]}]}, "embeds"),
        ({"embeds": [{"fields": [{"name": "x", "value": "x" * 1_025}]}]}, "embeds"),
        ({"embeds": [{"title": "x"}] * 11}, "embeds"),
        (_row(*[_button(custom_id=str(number)) for number in range(6)]), "components"),
        (_row(_button(custom_id="x" * 101)), "components"),
        (_row(_button(), _button()), "components"),
        (_row({"type": 4, "custom_id": "in a message"}), "components"),
        ({"components": [_button()]}, "components"),
    ],
)
def test_a_message_beyond_the_limits_is_refused_by_field(payload: JSON, where: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        check_message(payload)
    assert refused.value.code == 50035
    assert refused.value.errors is not None
    assert [*refused.value.errors] == [where]


def test_a_message_at_the_limits_passes() -> None:
    check_message({"content": "x" * 2_000, "embeds": [{"description": "x" * 3_000}] * 2})
    check_message(_row(*[_button(custom_id=str(number)) for number in range(5)]))


def test_a_form_beyond_the_limits_is_refused() -> None:
    field = {"type": 4, "custom_id": "code", "style": 2, "label": "x" * 46, "value": "x" * 4_001}
    with pytest.raises(errors.ApiError) as refused:
        check_modal({"title": "x" * 46, "custom_id": "f", **_row(field)})
    assert refused.value.errors is not None
    assert {*refused.value.errors["data"]} == {"title", "components"}


@pytest.mark.parametrize(
    "command",
    [
        {"name": "Upper", "description": "x"},
        {"name": "two words", "description": "x"},
        {"name": "long", "description": "x" * 101},
        {"name": "silent", "description": ""},
        {"name": "ok", "description": "x", "name_localizations": {"ja": "x" * 33}},
        {
            "name": "order",
            "description": "x",
            "options": [
                {"type": 3, "name": "a", "description": "x"},
                {"type": 3, "name": "b", "description": "x", "required": True},
            ],
        },
    ],
)
def test_a_command_that_discord_would_refuse_is_refused(command: JSON) -> None:
    with pytest.raises(errors.ApiError):
        check_commands([command])


def test_more_suggestions_than_discord_shows_are_refused() -> None:
    choices = [{"name": str(number), "value": str(number)} for number in range(26)]
    check_choices(choices[:25])
    with pytest.raises(errors.ApiError):
        check_choices(choices)


def test_a_nonce_must_be_there_where_it_is_to_be_looked_at() -> None:
    with pytest.raises(errors.ApiError):
        check_message({"content": "x", "enforce_nonce": True})


def test_people_are_pinged_by_kind_or_by_name_and_not_by_both() -> None:
    check_message({"content": "x", "allowed_mentions": {"parse": [], "users": ["1"]}})
    with pytest.raises(errors.ApiError):
        check_message({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}})
