"""The fault table in docs/operations.md and the tests agree."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
_ROW = re.compile(r"\| (?P<fault>[^|]+) \| (?P<seen>[^|]+) \| `(?P<test>test_\w+)` \|")
_NO_FAULTS = {"test_faults_table.py", "test_faults_ways.py"}


def rows() -> list[re.Match[str]]:
    """The rows of the table."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return [row for line in text.splitlines() if (row := _ROW.fullmatch(line))]


def names_in(paths: Iterable[Path]) -> set[str]:
    """The names of all tests of some files."""
    return {
        node.name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_row_names_a_test_that_is_there() -> None:
    named = {row["test"] for row in rows()}

    assert named - names_in((ROOT / "tests").rglob("test_*.py")) == set()


def test_every_test_of_a_fault_has_one_row() -> None:
    faults = names_in(path for path in HERE.glob("test_*.py") if path.name not in _NO_FAULTS)
    named = Counter(row["test"] for row in rows())

    assert faults - named.keys() == set()
    assert [test for test, times in named.items() if times > 1] == []
