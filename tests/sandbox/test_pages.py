"""Large pages for a process that forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.pages import _places

_MIB = 1024 * 1024
_ENLARGE = """
import mmap
from pathlib import Path
from sandbox import kernel, pages

def large():
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.split("AnonHugePages:")[1].split()[0]) // 1024

memory = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for place in range(0, 16 << 20, 4096):
    memory[place] = place // 4096 % 251
before = large()
pages.enlarge()
kept = all(memory[place] == place // 4096 % 251 for place in range(0, 16 << 20, 4096))
try:
    kernel.collapse(0, 0)
    able = True
except OSError:
    able = False
print(before, large(), kept, able)
"""


def test_what_a_process_allocated_is_moved_and_stays_the_same() -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _ENLARGE],
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, kept, able = done.stdout.split()
    assert kept == "True"
    if able != "True":
        pytest.skip("this kernel is older than 6.1 and cannot move memory onto large pages")
    assert int(after) >= int(before) + 12


def test_only_whole_large_pages_of_the_process_itself_are_moved() -> None:
    maps = (
        "00200000-00600000 rw-p 00000000 00:00 0 \n"
        "00700000-00b80000 rw-p 00000000 00:00 0                          [heap]\n"
        "00c00000-01000000 r--p 00000000 00:00 0 \n"
        "01000000-01400000 rw-s 00000000 00:01 7                          /dev/zero (deleted)\n"
        "01400000-01800000 rw-p 00000000 fe:00 9                          /usr/lib/lib c.so\n"
        "01800000-01c00000 rw-p 00000000 00:00 0                          [stack]\n"
        "01d00000-01e00000 rw-p 00000000 00:00 0 \n"
    )
    assert list(_places(maps)) == [2 * _MIB, 4 * _MIB, 8 * _MIB]
