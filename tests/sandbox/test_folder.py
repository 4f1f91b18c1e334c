"""The folders of cells without a file system of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox.folder import Folder, is_fuller, sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_folder_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = Folder()
    work = Path(folder.work)
    (work / "a" / "b").mkdir(parents=True)
    (work / "a" / "b" / "file").write_text("x")
    (work / "a" / "moved-0").mkdir()
    (work / "link").symlink_to("/")
    os.mkfifo(Path(folder.temporary) / "pipe")
    (work / "closed").mkdir(mode=0)
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_tree_deeper_than_a_path_is_long_goes_too(tmp_path: Path) -> None:
    folder = Folder()
    here = os.open(folder.work, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert is_fuller((folder.work,), 10_000, 10_000)
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_nothing_behind_a_link_is_touched(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = Folder()
    (Path(folder.work) / "link").symlink_to(outside)
    folder.remove()
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_folders_of_dead_owners_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    mine = Folder()
    code = "import os; from sandbox.folder import Folder; Folder(); os._exit(9)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert len(list(tmp_path.glob("tutor-cell-*"))) == 2
    sweep()
    assert [str(path / "work") for path in tmp_path.glob("tutor-cell-*")] == [mine.work]
    mine.remove()


def test_a_link_in_the_place_of_a_folder_is_not_swept(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (tmp_path / "tutor-cell-evil").symlink_to(tmp_path / "precious")
    sweep()
    assert (tmp_path / "precious" / "file").read_text() == "x"


def test_too_many_files_and_too_many_bytes_are_noticed(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(bytes(8192))
    assert not is_fuller((str(tmp_path),), 100, 10 << 20)
    assert is_fuller((str(tmp_path),), 10, 10 << 20)
    assert is_fuller((str(tmp_path),), 100, 8192)
