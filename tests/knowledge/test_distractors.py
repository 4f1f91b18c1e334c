"""Posts that look like ours and are not: the tutor leaves them alone.

distractors.jsonl holds them by kind, in three languages. Those marked `held_out` are never fitted
on (`knowledge.calibrate` leaves them out), so that they can tell whether the fit carries over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from knowledge.language import Language
from knowledge.post import parse
from knowledge.search import Searcher

DISTRACTORS: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__)
    .with_name("distractors.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
HELD_OUT = [record for record in DISTRACTORS if record["held_out"]]


def answered(records: list[dict[str, Any]], searcher: Searcher) -> list[str]:
    return [r["text"] for r in records if searcher.search(parse(r["text"])).answered]


def test_at_most_two_in_a_hundred_unseen_distractors_are_answered(searcher: Searcher) -> None:
    found = answered(HELD_OUT, searcher)

    assert len(found) <= 0.02 * len(HELD_OUT), found


def test_at_most_two_in_a_hundred_of_all_distractors_are_answered(searcher: Searcher) -> None:
    found = answered(DISTRACTORS, searcher)

    assert len(found) <= 0.02 * len(DISTRACTORS), found


@pytest.mark.parametrize(
    "text",
    [
        "TypeError: forward() missing 1 required positional argument: 'distance'",
        "Traceback (most recent call last):\n"
        '  File "train.py", line 9, in <module>\n    engine.forward()\n'
        "TypeError: Engine.forward() missing 1 required positional argument: 'wagons'",
    ],
)
def test_a_plain_python_error_stays_unanswered(text: str, searcher: Searcher) -> None:
    assert not searcher.search(parse(text)).answered


def test_every_language_and_kind_has_distractors() -> None:
    languages = {parse(record["text"]).language for record in DISTRACTORS}
    kinds = {record["kind"] for record in DISTRACTORS}

    assert languages == set(Language)
    assert len(DISTRACTORS) >= 150
    assert {"turtle", "keras", "jax", "pandas", "java", "unity", "worker", "release"} <= kinds
    assert kinds == {record["kind"] for record in HELD_OUT} | {"jobs"}
