"""Finding the place in the control-group tree, on trees laid out as the kernel lays them."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox import cgroup


def _tree(tmp_path: Path, mounts: str, own: str) -> tuple[Path, Path]:
    mountinfo, cgroups = tmp_path / "mountinfo", tmp_path / "cgroup"
    mountinfo.write_text(mounts)
    cgroups.write_text(own)
    return mountinfo, cgroups


def test_version_1_makes_a_folder_per_controller_below_the_own_group(tmp_path: Path) -> None:
    for kind in ("memory", "pids"):
        (tmp_path / kind / "user").mkdir(parents=True)
    mounts = "".join(
        f"40 30 0:1 / {tmp_path}/{kind} rw - cgroup cgroup rw,{kind}\n"
        for kind in ("memory", "pids", "freezer")
    )
    files = _tree(tmp_path, mounts, "4:memory:/user\n3:pids:/user\n2:freezer:/\n")
    found = cgroup.find(*files)
    group = found.group("cell-1")
    group.limit(100, 10)
    folders = sorted(p for p in tmp_path.rglob("cell-1"))
    assert [p.parent.parent.name for p in folders] == ["user", "user"]
    assert (folders[0] / "memory.limit_in_bytes").read_text() == str(196 << 20)
    assert (folders[1] / "pids.max").read_text() == "10"
    assert group.counts_memory
    assert "version 1 bound memory and pids" in found.why


def test_a_container_sees_its_own_group_as_the_mounts_root(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    mounts = f"40 30 0:1 /docker/abc {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
    files = _tree(tmp_path, mounts, "4:memory:/docker/abc\n")
    cgroup.find(*files).group("cell-1")
    assert len(list((tmp_path / "memory").glob("traceback-tutor-*/cell-1"))) == 1


def test_version_2_hands_the_controllers_down(tmp_path: Path) -> None:
    own = tmp_path / "unified" / "worker"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("")
    (own / "cgroup.procs").write_text(f"{os.getpid()}\n")
    mounts = f"40 30 0:1 / {tmp_path}/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
    found = cgroup.find(*_tree(tmp_path, mounts, "0::/worker\n"))
    group = found.group("cell-1")
    group.limit(100, 10)
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    leaf = own / "traceback-tutor-itself" / "cgroup.procs"
    assert leaf.read_text() == str(os.getpid())
    (folder,) = own.glob("traceback-tutor-*/cell-1")
    assert (folder / "memory.max").read_text() == str(196 << 20)
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    (folder / "memory.peak").write_text(str(64 << 20))
    assert group.out_of_memory()
    assert group.peak_mib() == 64


def test_without_a_writable_tree_nothing_is_bounded_and_that_is_said(tmp_path: Path) -> None:
    mounts = f"40 30 0:1 / {tmp_path}/nowhere rw - cgroup cgroup rw,memory\n"
    found = cgroup.find(*_tree(tmp_path, mounts, "4:memory:/\n"))
    group = found.group("cell-1")
    group.limit(100, 10)
    assert not group.counts_memory
    assert group.open_entrances() == []
    assert not group.out_of_memory()
    assert group.peak_mib() is None
    assert "the cell's guard watches memory" in found.why


def test_folders_of_killed_pools_are_swept(tmp_path: Path) -> None:
    dead = tmp_path / "memory" / "traceback-tutor-4194999-abc" / "cell-9"
    dead.mkdir(parents=True)
    alive = tmp_path / "memory" / f"traceback-tutor-{os.getpid()}-abc"
    alive.mkdir()
    mounts = f"40 30 0:1 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
    cgroup.find(*_tree(tmp_path, mounts, "4:memory:/\n"))
    assert not dead.parent.exists()
    assert alive.exists()
