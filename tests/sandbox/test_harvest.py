"""Reading what a snippet left."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.harvest import harvest
from sandbox.protocol import Limits, OutputFile


def _harvest(
    folder: Path, limits: Limits | None = None
) -> tuple[tuple[OutputFile, ...], tuple[str, ...]]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return harvest(descriptor, limits or Limits())
    finally:
        os.close(descriptor)


def test_files_come_back_in_order_with_their_folders(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.txt").write_text("")
    files, skipped = _harvest(tmp_path)
    assert [(f.name, f.size, f.content_base64) for f in files] == [
        ("a/c.txt", 0, ""),
        ("b.txt", 1, "Yg=="),
    ]
    assert skipped == ()


def test_links_pipes_and_devices_are_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    (tmp_path / "one").write_text("x")
    (tmp_path / "two").hardlink_to(tmp_path / "one")
    files, skipped = _harvest(tmp_path)
    assert files == ()
    assert set(skipped) == {
        "pipe: a named pipe",
        "link: a symbolic link",
        "folder: a symbolic link",
        "one: a file with several names",
        "two: a file with several names",
    }


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(1 << 40)
    files, skipped = _harvest(tmp_path)
    assert files == ()
    assert skipped == (f"giant: {1 << 40} bytes are too many",)


def test_names_are_shown_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "a\x1b[31m\u202eb").write_text("x")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).write_text("y")
    files, _ = _harvest(tmp_path)
    assert [f.name for f in files] == ["a\\x1b[31m\\u202eb", "\\xff"]


def test_the_compiled_cache_of_python_stays_out(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert _harvest(tmp_path) == ((), ())


def test_deep_and_wide_trees_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "/".join("abcdefgh")).mkdir(parents=True)
    for number in range(600):
        (tmp_path / f"f{number:03}").touch()
    files, skipped = _harvest(tmp_path)
    assert len(files) <= 16
    assert 0 < len(skipped) <= 64


def test_the_number_and_the_size_of_files_are_limits_of_the_run(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x" * 700_000)
    few, left = _harvest(tmp_path, Limits(files=2, files_mib=8))
    assert [file.name for file in few] == ["a", "b"]
    assert left == ("c: more than 2 files",)
    small, left = _harvest(tmp_path, Limits(files=16, files_mib=1))
    assert [file.name for file in small] == ["a"]
    assert left == ("b: 700000 bytes are too many", "c: 700000 bytes are too many")
