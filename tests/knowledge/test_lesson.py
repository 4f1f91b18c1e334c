"""What somebody writes into a form becomes an entry that says just that, in their language."""

from __future__ import annotations

import pytest

from knowledge.entry import EntryError
from knowledge.explain import Explanation, explain
from knowledge.language import Language
from knowledge.lesson import Lesson
from knowledge.page import Kind

CODE = "raise ValueError('the lab 3 flux ```')"


def lesson(cause: str = "It is off.", **change: object) -> Lesson:
    given = {
        "title": "The flux: {{off}}",
        "cause": cause,
        "fix": 'Do this:\n```python\nx = f"{{a}}"\n```',
        "fails": CODE,
        "works": "print(1)",
        "template": "the lab {count:d} flux",
    }
    return Lesson(**(given | change))  # type: ignore[arg-type]


def read(taught: Lesson, language: Language = Language.EN) -> Explanation:
    entry = taught.entry("lab-flux", "group", ())
    return explain(entry, {"count": 3}, language, {})


@pytest.mark.parametrize(
    "cause",
    ["A {{ slot }} and {% if %}", "Braces: {x} }} {{", "{# no remark #} {% endraw %}`{{x}}`"],
)
def test_braces_mean_nothing(cause: str) -> None:
    assert read(lesson(f"`` {cause} ``")).summary == f"`` {cause} ``"
    assert read(lesson()).fix.splitlines()[2] == 'x = f"{{a}}"'
    assert read(lesson()).title == "The flux: {{off}}"


@pytest.mark.parametrize(
    ("cause", "summary", "rest"),
    [
        ("It is off. Turn 1.5 times.", "It is off.", "Turn 1.5 times."),
        ("First. Second.\n\nThird.", "First. Second.", "Third."),
        ("電源が切れています。裏にあります。", "電源が切れています。", "裏にあります。"),
        ("Only one", "Only one", "Only one"),
    ],
)
def test_the_first_words_come_first(cause: str, summary: str, rest: str) -> None:
    explanation = read(lesson(cause))

    assert (explanation.summary, explanation.cause) == (summary, rest)


def test_code_stays_as_it_is_whatever_stands_in_it() -> None:
    assert (read(lesson()).fails or "").strip() == CODE


def test_the_language_of_the_author_is_known_to_every_reader() -> None:
    taught = lesson(language=Language.JA)

    assert {read(taught, reader).language for reader in Language} == {Language.JA}
    assert read(lesson(), Language.JA).language is Language.EN


def test_what_prints_no_message_has_no_signature() -> None:
    entry = lesson(kind=Kind.SILENT, template=None, symptoms=("no flux",)).entry("x", "group", ())

    assert entry.signatures == () and entry.texts[Language.EN].symptoms == ("no flux",)


def test_what_could_not_be_shown_is_named() -> None:
    with pytest.raises(EntryError, match="unknown heading 'Another'"):
        lesson("One.\n\nTwo.\n\n## Another\n\nThree.").entry("x", "group", ())
