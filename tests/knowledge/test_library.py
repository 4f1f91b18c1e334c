"""A group's own entries stand beside the shipped ones; faulty files change nothing."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from knowledge.entry import Entry
from knowledge.language import Language
from knowledge.library import Changes, Library, advise_folder, check_folder

OWN = """\
---
title: The lab's loader refuses the file
kind: error
device: any
signatures:
  - "the lab loader cannot open {name:w} today"
symptoms:
  - our loader stops at the first file
proof:
  reason: Needs the lab's loader.
  recorded: the lab loader cannot open scans.bin today
---

{% if name %}The loader cannot open {{ name }}.{% else %}The loader cannot open a file.{% endif %}

## Cause

The share is not mounted.

## Fix

Mount it.
"""
JAPANESE = """\
---
title: ローダーがファイルを開けない
english: 000000000000
symptoms: []
---

ローダーがファイルを開けません。

## 原因

共有フォルダーがマウントされていません。

## 直し方

マウントしてください。
"""
BROKEN = OWN.replace("{% endif %}", "")


def write(folder: Path, text: str, name: str = "lab-loader.md", category: str = "lab") -> Path:
    path = folder / category / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def entry(library: Library, slug: str = "lab-loader") -> Entry | None:
    return next((entry for entry in library.current() if entry.slug == slug), None)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the shipped entries."""
    folder = tmp_path_factory.mktemp("shipped")
    write(folder, OWN.replace("lab loader", "loader"), "shipped-one.md")
    write(folder, OWN.replace("lab loader", "reader"), "shipped-two.md")
    return folder


@pytest.fixture
def library(tmp_path: Path, shipped: Path) -> Library:
    return Library(tmp_path, shipped=shipped)


def test_without_a_folder_there_are_the_shipped_entries(shipped: Path) -> None:
    library = Library(shipped=shipped)

    assert [entry.slug for entry in library.current()] == ["shipped-one", "shipped-two"]
    assert library.refresh() == Changes()


def test_files_come_change_and_go(tmp_path: Path, library: Library) -> None:
    path = write(tmp_path, OWN)
    added = library.refresh()
    path.write_text(OWN.replace("refuses", "rejects"), encoding="utf-8")
    changed = library.refresh()
    title = entry(library)
    path.unlink()
    removed = library.refresh()

    assert (added.added, changed.changed, removed.removed) == (("lab-loader",),) * 3
    assert title is not None
    assert title.texts[Language.EN].title == "The lab's loader rejects the file"
    assert entry(library) is None


def test_nothing_changed_is_said_and_costs_no_new_library(tmp_path: Path, library: Library) -> None:
    write(tmp_path, OWN)
    library.refresh()
    current = library.current()

    assert not library.refresh()
    assert library.current() is current


def test_a_copy_with_an_old_date_is_noticed(tmp_path: Path, library: Library) -> None:
    path = write(tmp_path, OWN)
    library.refresh()
    facts = path.stat()
    path.write_text(OWN.replace("refuses", "rejects"), encoding="utf-8")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert library.refresh().changed == ("lab-loader",)


@pytest.mark.parametrize(
    "damage",
    [
        BROKEN,
        OWN.replace("title:", "titel:"),
        OWN.replace("{{ name }}", "{{ nmae }}"),
        OWN.replace("kind: error", "kind: [" + "[" * 8_000),
        OWN.replace("kind: error", "kind: " + "[" * 100_000),
        OWN.replace("recorded: the", "recorded: a"),
        OWN.replace("title: The", "title: The" + " very" * 30),
        "\x00" * 300_000,
        "",
    ],
    ids=["template", "key", "slot", "nested", "deep", "record", "long", "zeros", "empty"],
)
def test_a_broken_file_leaves_the_old_version_in_place(
    tmp_path: Path, library: Library, damage: str
) -> None:
    path = write(tmp_path, OWN)
    library.refresh()
    before = library.current()
    path.write_text(damage, encoding="utf-8")

    changes = library.refresh()

    assert not changes
    assert changes.faults == library.faults
    assert changes.faults
    assert library.current() is before
    path.write_text(OWN, encoding="utf-8")
    assert library.refresh().faults == ()


def test_a_broken_translation_holds_back_its_entry_alone(tmp_path: Path, library: Library) -> None:
    write(tmp_path, OWN)
    write(tmp_path, OWN.replace("lab loader", "lab printer"), "lab-printer.md")
    write(tmp_path, JAPANESE.replace("title", "titel"), "lab-loader.ja.md")

    assert library.refresh().added == ("lab-printer",)
    assert {fault.path.name for fault in library.faults} == {"lab-loader.ja.md"}


def test_translations_may_be_missing_and_that_is_said(tmp_path: Path, library: Library) -> None:
    write(tmp_path, OWN)
    write(tmp_path, JAPANESE, "lab-loader.ja.md")
    library.refresh()
    own = entry(library)

    assert library.faults == ()
    assert own is not None
    assert set(own.texts) == {Language.EN, Language.JA}
    assert any("lab-loader.zh.md" in str(advice) for advice in library.advice)
    assert any("stale" in str(advice) for advice in library.advice)


def test_an_own_entry_stands_in_the_place_of_a_shipped_one(
    tmp_path: Path, library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    original = entry(library, "shipped-one")
    path = write(tmp_path, OWN, "shipped-one.md")
    with caplog.at_level(logging.INFO):
        library.refresh()

    assert len(library.current()) == 2
    assert library.replaced == ("shipped-one",)
    assert "in the place of the shipped one" in caplog.text
    path.unlink()
    library.refresh()
    assert entry(library, "shipped-one") == original


def test_an_own_entry_may_name_a_shipped_sister(tmp_path: Path, library: Library) -> None:
    see = "see:\n  - entry: {}\n    difference: There the reader is at fault.\nproof:"
    path = write(tmp_path, OWN.replace("proof:", see.format("shipped-two")))
    assert library.refresh().faults == ()

    path.write_text(OWN.replace("proof:", see.format("no-such-entry")), encoding="utf-8")
    assert "no-such-entry" in str(library.refresh().faults)


def test_each_fault_is_logged_once(
    tmp_path: Path, library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, BROKEN)
    library.refresh()
    write(tmp_path, OWN.replace("lab loader", "lab printer"), "lab-printer.md")
    library.refresh()

    assert len([r for r in caplog.records if "lab-loader.md" in r.getMessage()]) == 1


def test_a_folder_that_vanishes_takes_nothing_with_it(tmp_path: Path, shipped: Path) -> None:
    folder = tmp_path / "own"
    write(folder, OWN)
    library = Library(folder, shipped=shipped)
    shutil.rmtree(folder)

    changes = library.refresh()

    assert not changes
    assert "is no folder" in str(changes.faults)
    assert entry(library) is not None


def test_a_folder_that_is_not_there_yet_is_said_and_found_later(
    tmp_path: Path, shipped: Path
) -> None:
    folder = tmp_path / "own"
    library = Library(folder, shipped=shipped)
    assert "is no folder" in str(library.faults)

    write(folder, OWN)
    assert library.refresh().added == ("lab-loader",)


def test_a_folder_can_be_checked_before_it_is_used(tmp_path: Path, shipped: Path) -> None:
    write(tmp_path, OWN)
    write(tmp_path, BROKEN, "lab-printer.md")
    write(tmp_path, OWN, f"{'long-' * 20}name.md")

    faults = check_folder(tmp_path, shipped=shipped)
    advice = advise_folder(tmp_path, shipped=shipped)

    assert {fault.path.name for fault in faults} == {"lab-printer.md", f"{'long-' * 20}name.md"}
    assert {fault.path.name.split(".")[0] for fault in advice} == {"lab-loader"}
