"""`tutor knowledge`, as a mentor uses it: from a pasted error to an entry that answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.inputs import InputError
from bot.tutor import UnknownEntry
from knowledge.library import Library
from knowledge.post import parse
from knowledge.search import Searcher

PASTED = """\
Traceback (most recent call last):
  File "lab.py", line 2, in <module>
    grid = spread(x)
RuntimeError: spread_grid(): axis 4 of shape [3, 9] clashes with the course grid
"""
FILLED = """\
---
title: The course grid has another axis
kind: error
device: any
signatures:
  - template: "{template}"
symptoms:
  - our grid helper refuses my tensor
see: []
docs: []
---

The grid of our course wants three axes.

## Cause

`spread` counts axes from one.

## Fix

Call `spread(x, axis=3)`.
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUTOR_ENTRIES", str(tmp_path))
    return tmp_path


def test_list_finds_entries_by_words_of_their_messages() -> None:
    result = CliRunner().invoke(app, ["knowledge", "list", "mat1", "multiplied", "--json"])

    slugs = [json.loads(line)["slug"] for line in result.stdout.splitlines()]
    assert "matmul-shape-mismatch" in slugs
    assert len(slugs) < 10


def test_show_prints_an_entry_in_the_language_asked_for() -> None:
    result = CliRunner().invoke(app, ["knowledge", "show", "silent-seed", "--lang", "ja"])

    assert "原因" in result.stdout


def test_show_names_an_entry_that_is_not_there() -> None:
    result = CliRunner().invoke(app, ["knowledge", "show", "no-such-entry"])

    assert isinstance(result.exception, UnknownEntry)


def test_check_is_content_with_what_is_shipped() -> None:
    result = CliRunner().invoke(app, ["knowledge", "check"])

    assert result.exit_code == 0, result.output


def test_a_new_entry_is_begun_checked_finished_and_answers(folder: Path) -> None:
    begun = CliRunner().invoke(app, ["knowledge", "new", "-"], input=PASTED)
    page = Path(begun.stdout.strip())
    assert page.is_relative_to(folder)
    template = "spread_grid(): axis {count:d} of shape {shape:shape} clashes with the course grid"
    assert template in page.read_text(encoding="utf-8")

    unfinished = CliRunner().invoke(app, ["knowledge", "check"])
    assert unfinished.exit_code == 1
    assert f"{page.name}:2: title is empty" in unfinished.output

    page.write_text(FILLED.replace("{template}", template), encoding="utf-8")
    assert CliRunner().invoke(app, ["knowledge", "check"]).exit_code == 0
    ranking = Searcher(Library(folder).current()).search(parse(PASTED))
    assert ranking.answered
    assert ranking.matches[0].entry.slug == page.stem
    assert ranking.matches[0].slots == {"count": 4, "shape": "[3, 9]"}


def test_a_second_entry_of_the_same_name_overwrites_nothing(folder: Path) -> None:
    first = Path(CliRunner().invoke(app, ["knowledge", "new", "-"], input=PASTED).stdout.strip())
    first.write_text("mine", encoding="utf-8")

    again = CliRunner().invoke(app, ["knowledge", "new", "-"], input=PASTED)

    assert isinstance(again.exception, InputError)
    assert "--slug" in str(again.exception)
    assert first.read_text(encoding="utf-8") == "mine"


def test_a_new_entry_needs_an_error_and_a_folder(folder: Path, tmp_path: Path) -> None:
    nothing = CliRunner().invoke(app, ["knowledge", "new", "-"], input="hello there")

    assert isinstance(nothing.exception, InputError)
    assert "Paste the whole traceback" in str(nothing.exception)


def test_without_a_folder_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUTOR_ENTRIES", raising=False)

    result = CliRunner().invoke(app, ["knowledge", "new", "-"], input=PASTED)

    assert isinstance(result.exception, InputError)
    assert "TUTOR_ENTRIES" in str(result.exception)
