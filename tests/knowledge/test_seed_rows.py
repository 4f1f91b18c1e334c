"""Every statement that the tutor's knowledge started from finds its entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from knowledge.entry import Kind
from knowledge.post import parse
from knowledge.search import Searcher

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "seed_rows.yaml").read_text(encoding="utf-8")
)


def test_no_row_is_left_out() -> None:
    assert {row["row"] for row in ROWS} == set(range(1, 88))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}-{row['entry']}")
def test_a_seed_row_finds_its_entry(row: dict[str, Any], searcher: Searcher) -> None:
    ranking = searcher.search(parse(row["post"]))

    assert ranking.matches[0].entry.slug == row["entry"]
    # A tip answers a question: `/explain` shows it first, a channel may stay silent.
    assert ranking.answered or ranking.matches[0].entry.kind is Kind.TIP
