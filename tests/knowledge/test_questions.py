"""The shipped entries answer symptom questions in three languages and leave small talk alone.

questions.jsonl holds questions as learners ask them, with no error message, each with the entry
that answers it, and messages that are none of a tutor's business ("none").
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knowledge.post import parse
from knowledge.search import Ranking, Searcher

QUESTIONS = Path(__file__).with_name("questions.jsonl")


@pytest.fixture(scope="module")
def rankings(searcher: Searcher) -> list[tuple[str, str, Ranking]]:
    records = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    return [
        (record["label"], record["text"], searcher.search(parse(record["text"])))
        for record in records
    ]


def test_nine_of_ten_symptom_questions_find_their_entry(
    rankings: list[tuple[str, str, Ranking]],
) -> None:
    asked = [(label, text, ranking) for label, text, ranking in rankings if label != "none"]
    missed = [
        (label, text)
        for label, text, ranking in asked
        if ranking.best is None or ranking.best.entry.slug != label
    ]

    assert len(missed) <= len(asked) // 10, missed


def test_the_right_entry_is_nearly_always_among_the_first_three(
    rankings: list[tuple[str, str, Ranking]],
) -> None:
    asked = [(label, text, ranking) for label, text, ranking in rankings if label != "none"]
    missed = [
        (label, text)
        for label, text, ranking in asked
        if label not in [match.entry.slug for match in ranking.matches[:3]]
    ]

    assert len(missed) <= len(asked) // 20, missed


def test_at_most_one_in_twenty_messages_of_small_talk_is_answered(
    rankings: list[tuple[str, str, Ranking]],
) -> None:
    talk = [(text, ranking) for label, text, ranking in rankings if label == "none"]
    answered = [text for text, ranking in talk if ranking.answered]

    assert len(answered) <= len(talk) // 20, answered
