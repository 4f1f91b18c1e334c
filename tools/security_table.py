"""Writes the table of attacks and their outcomes into docs/security.md.

    python tools/security_table.py            runs tests/attacks and writes what became of each
    python tools/security_table.py FILE...    reads what other runs noted (TUTOR_ATTACK_OUTCOMES)

What no run tells of, such as the container's column on a host without an engine, stays as it is.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ROOT / "tests/attacks"
PAGE = ROOT / "docs/security.md"
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"
COLUMNS = ("strong", "strong, unprivileged", "floor", "container")
HEADINGS = {
    "test_processes.py": "Other runs, the zygote and the pool",
    "test_leftovers.py": "What is left, and secrets",
    "test_kernel.py": "The kernel",
    "test_network.py": "The network",
    "test_resources.py": "Resources",
    "test_python.py": "Python and torch",
    "test_output.py": "Output",
    "test_files.py": "Files handed back",
    "test_forged.py": "Forged reports",
    "test_report.py": "The report about a failing line",
    "test_shown.py": "What people are shown",
}
_ELSEWHERE = {"test_gpu_attacks.py"}
"""Attacks that need what most hosts lack; docs/gpu.md tells of them."""
_NOT_HERE = "·"
_CONTAINER_ORDER = ("strong", "strong, unprivileged", "floor", None)
"""Of the walls that a container gives, the strongest count."""


@dataclass(frozen=True)
class Outcome:
    """What became of one attack behind one kind of walls."""

    test: str
    file: str
    walls: str | None
    """None for an attack that needs no walls."""
    outcome: str
    place: str


def attacks() -> dict[str, dict[str, bool]]:
    """The names of all attack tests, by file, as they stand in the code, and whether they attack
    the strong tier only."""
    return {
        path.name: {
            node.name: "strong" in {argument.arg for argument in node.args.args}
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
        }
        for path in sorted(ATTACKS.glob("test_*.py"))
        if path.name not in _ELSEWHERE
    }


def title(test: str) -> str:
    """The promise of a test in words: `test_a_fork_bomb_is_contained`."""
    words = test.removeprefix("test_").replace("_", " ")
    return words[0].upper() + words[1:]


def read(lines: Iterable[str]) -> list[Outcome]:
    """Outcomes from lines of JSON. Raises ValueError, TypeError for anything else."""
    return [Outcome(**json.loads(line)) for line in lines if line.strip()]


def told(outcomes: list[Outcome]) -> dict[str, dict[str, str]]:
    """The letter of each test in each column that the outcomes tell of."""
    cells: dict[str, dict[str, str]] = {}
    for test in {each.test for each in outcomes}:
        mine = [each for each in outcomes if each.test == test]
        host = [each for each in mine if each.place == "host"]
        row = cells.setdefault(test, {})
        for column in COLUMNS[:3]:
            found = [each.outcome for each in host if each.walls in (column, None)]
            if found:
                row[column] = _letter(found)
        inside = [each for each in mine if each.place == "container"]
        for walls in _CONTAINER_ORDER:
            found = [e.outcome for e in inside if e.walls == walls and e.outcome != "skipped"]
            if found:
                row["container"] = _letter(found)
                break
    return cells


def _letter(found: list[str]) -> str:
    """One letter for all cases of a test: a failure goes first, a skip counts last."""
    ran = [each for each in found if each != "skipped"]
    if "failed" in ran:
        return "**fails**"
    return ran[0] if ran else _NOT_HERE


def known(page: str) -> dict[str, dict[str, str]]:
    """The letters that the page has already, by title and column."""
    cells: dict[str, dict[str, str]] = {}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if line.startswith("|") and len(parts) == 1 + len(COLUMNS):
            row = zip(COLUMNS, parts[1:], strict=True)
            cells[parts[0]] = {column: letter for column, letter in row if letter}
    return cells


def table(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> str:
    """The table in Markdown: every attack test that exists, one row each."""
    lines = []
    for file, tests in sorted(attacks().items(), key=lambda item: list(HEADINGS).index(item[0])):
        lines += [f"### {HEADINGS[file]}", "", "| attack | " + " | ".join(COLUMNS) + " |"]
        lines.append("|---|" + ":-:|" * len(COLUMNS))
        for test, strong_only in tests.items():
            row = {"floor": _NOT_HERE} if strong_only else {}
            row |= before.get(title(test), {}) | now.get(test, {})
            cells = [row.get(column, "") for column in COLUMNS]
            lines.append(f"| {title(test)} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _run_here() -> list[Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(ATTACKS)],
            env={**os.environ, "TUTOR_ATTACK_OUTCOMES": str(path)},
            cwd=ROOT,
            check=False,
        )
        return read(path.read_text("utf-8").splitlines())


def main() -> None:
    """Write the table; ends with 1 when an attack succeeded."""
    files = [Path(name) for name in sys.argv[1:]]
    outcomes = [each for file in files for each in read(file.read_text("utf-8").splitlines())]
    if not files:
        outcomes = _run_here()
    page = PAGE.read_text("utf-8")
    front, _, rest = page.partition(BEGIN)
    body = table(known(page), told(outcomes))
    PAGE.write_text(f"{front}{BEGIN}\n\n{body}\n{END}{rest.partition(END)[2]}", "utf-8")
    sys.exit(1 if any(each.outcome == "failed" for each in outcomes) else 0)


if __name__ == "__main__":
    main()
