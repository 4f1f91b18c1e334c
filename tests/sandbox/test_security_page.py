"""docs/security.md and the attack suite tell of the same attacks."""

from __future__ import annotations

import json

import pytest

from tools import security_table as tool


def test_the_table_lists_every_attack_that_exists_and_no_other() -> None:
    rows = set(tool.known(tool.PAGE.read_text("utf-8"))) - {"attack", "---"}
    titles = {tool.title(test) for tests in tool.attacks().values() for test in tests}
    assert rows == titles, "run tools/security_table.py"


def test_every_attack_has_an_outcome_on_the_page_and_none_failed() -> None:
    for title, row in tool.known(tool.PAGE.read_text("utf-8")).items():
        if title not in ("attack", "---"):
            assert any(letter in "DKCRE" and letter for letter in row.values()), title
            assert "**fails**" not in row.values(), title


def _line(**changed: str | None) -> str:
    told = {"test": "test_x", "file": "f", "walls": "floor", "outcome": "D", "place": "host"}
    return json.dumps(told | changed)


def test_one_case_that_fails_makes_the_row_fail() -> None:
    lines = [_line(), _line(outcome="failed"), _line(outcome="skipped")]
    assert tool.told(tool.read(lines)) == {"test_x": {"floor": "**fails**"}}


def test_a_containers_column_is_that_of_its_strongest_walls() -> None:
    lines = [
        _line(place="container", walls="strong", outcome="skipped"),
        _line(place="container", walls="strong, unprivileged", outcome="K"),
        _line(place="container", outcome="E"),
    ]
    assert tool.told(tool.read(lines)) == {"test_x": {"container": "K"}}


def test_an_attack_without_walls_counts_for_all_of_its_place() -> None:
    told = tool.told(tool.read([_line(walls=None)]))
    assert told == {"test_x": dict.fromkeys(tool.COLUMNS[:3], "D")}


def test_outcomes_in_another_form_are_refused() -> None:
    with pytest.raises(TypeError):
        tool.read(['{"test": "test_x"}'])


def test_letters_that_no_run_tells_of_stay() -> None:
    first = next(iter(tool.attacks()["test_kernel.py"]))
    page = f"{tool.BEGIN}\n| {tool.title(first)} | D | D | D | K |\n{tool.END}"
    body = tool.table(tool.known(page), {first: {"floor": "E"}})
    assert f"| {tool.title(first)} | D | D | E | K |" in body
