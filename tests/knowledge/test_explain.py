"""Promises of explanations: the learner's numbers and language, and nothing of a stranger's."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from markdown_it import MarkdownIt

from knowledge.entry import Device, Entry, Kind, Proof, Sister, Text
from knowledge.explain import See, explain, render
from knowledge.language import Language
from knowledge.signature import Signature

ENTRY = Entry(
    slug="sizes",
    category="shape",
    kind=Kind.ERROR,
    device=Device.ANY,
    signatures=(
        Signature("sizes {rows:d}x{cols:d} of {name:t} differ"),
        Signature("old sizes {rows:d} differ"),
    ),
    texts={
        Language.EN: Text(
            "Sizes differ",
            ("it does not fit",),
            "{% if rows %}You have {{ rows }} rows.{% else %}The rows do not fit.{% endif %}",
            "{% if name %}The layer `{{ name }}` is another one.{% else %}Another.{% endif %}",
            "Change it.{% if cols %} That makes {{ rows // cols }} each.{% endif %}",
        ),
        Language.JA: Text("サイズ", ("合わない",), "合いません。", "別です。", "直します。"),
    },
    see=(Sister("channels", {Language.EN: "There it is channels.", Language.JA: "別の話。"}),),
    docs=("https://docs.pytorch.org/docs/stable/",),
    fails='raise ValueError("```")\n',
    works='print("fine")\n',
    proof=Proof(provable=True, reason="", recorded=""),
)
SISTER = dataclasses.replace(
    ENTRY,
    slug="channels",
    see=(),
    texts={Language.EN: Text("Channels differ", ("x",), "Summary.", "Cause.", "Fix.")},
)
LIBRARY = {"sizes": ENTRY, "channels": SISTER}
NAMES = frozenset({"x"})


def visible(markdown: str) -> str:
    """The text that a reader of the rendered Markdown sees, or fails for anything but text."""
    tokens = MarkdownIt("commonmark").enable(["strikethrough"]).parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special", "code_inline"}
    return "".join(child.content for child in children)


def test_the_numbers_of_the_learner_stand_in_the_text() -> None:
    explanation = explain(ENTRY, {"rows": 8, "cols": 4, "name": "fc1"}, Language.EN, LIBRARY)

    assert explanation.summary == "You have 8 rows."
    assert explanation.cause == "The layer `fc1` is another one."
    assert explanation.fix == "Change it. That makes 2 each."


def test_without_slots_the_sentences_without_numbers_are_used() -> None:
    explanation = explain(ENTRY, {}, Language.EN, LIBRARY)

    assert (explanation.summary, explanation.cause) == ("The rows do not fit.", "Another.")


def test_slots_of_another_signature_stay_empty() -> None:
    explanation = explain(ENTRY, {"rows": 8}, Language.EN, LIBRARY)

    assert (explanation.summary, explanation.fix) == ("You have 8 rows.", "Change it.")


def test_numbers_that_do_not_fit_an_expression_fall_back_to_the_text_without_numbers() -> None:
    divided = dataclasses.replace(ENTRY.texts[Language.EN], fix="{{ 8 // cols if cols is number }}")
    entry = dataclasses.replace(ENTRY, texts={Language.EN: divided})

    assert explain(entry, {"rows": 8, "cols": 0}, Language.EN, LIBRARY).fix == ""


def test_a_broken_template_is_not_hidden_by_the_fallback() -> None:
    broken = dataclasses.replace(ENTRY.texts[Language.EN], fix="{% if %}")
    entry = dataclasses.replace(ENTRY, texts={Language.EN: broken})

    with pytest.raises(TemplateError):
        explain(entry, {"rows": 8}, Language.EN, LIBRARY)


def test_the_explanation_is_in_the_language_asked_for_or_in_english() -> None:
    japanese = explain(ENTRY, {}, Language.JA, LIBRARY)
    chinese = explain(ENTRY, {}, Language.ZH, LIBRARY)

    assert (japanese.language, japanese.title) == (Language.JA, "サイズ")
    assert (chinese.language, chinese.title) == (Language.EN, "Sizes differ")


def test_sisters_come_with_title_and_difference() -> None:
    english = explain(ENTRY, {}, Language.EN, LIBRARY)
    japanese = explain(ENTRY, {}, Language.JA, LIBRARY)

    assert english.see == (See("channels", "Channels differ", "There it is channels."),)
    assert japanese.see == (See("channels", "Channels differ", "別の話。"),)


def test_sisters_outside_the_library_are_left_out() -> None:
    assert explain(ENTRY, {}, Language.EN, {"sizes": ENTRY}).see == ()


def test_the_markdown_has_every_part_under_a_heading_of_its_language() -> None:
    english = explain(ENTRY, {}, Language.EN, LIBRARY).markdown()
    japanese = explain(ENTRY, {}, Language.JA, LIBRARY).markdown()

    assert [line for line in english.split("\n") if line.startswith("#")] == [
        "# Sizes differ",
        "## Cause",
        "## Fix",
        "## Goes wrong",
        "## Works",
        "## Easily confused with",
        "## Documentation",
    ]
    assert "## 直し方\n\n直します。" in japanese
    assert "- Channels differ (`channels`): There it is channels." in english
    assert "- <https://docs.pytorch.org/docs/stable/>" in english


def test_code_with_backticks_does_not_end_its_own_fence() -> None:
    tokens = MarkdownIt("commonmark").parse(explain(ENTRY, {}, Language.EN, LIBRARY).markdown())

    fences = [token.content for token in tokens if token.type == "fence"]
    assert fences == [ENTRY.fails, ENTRY.works]


def test_a_value_is_never_read_as_a_template() -> None:
    assert render("`{{ x }}`", NAMES, {"x": "{{ 7 * 7 }}{% if x %}"}) == "`{{ 7 * 7 }}{% if x %}`"


def test_a_template_reaches_no_python_internals() -> None:
    with pytest.raises(TemplateError):
        render("{{ x.__class__.__mro__ }}", NAMES, {"x": "a"})


def test_code_shows_a_value_as_it_is() -> None:
    source = "In `{{ x }}` and ``{{ x }}``:\n\n```python\nmodel.{{ x }}\n```"

    assert render(source, NAMES, {"x": "__init__"}) == source.replace("{{ x }}", "__init__")


def test_prose_escapes_what_markdown_would_read_as_markup() -> None:
    assert render("Call {{ x }}.", NAMES, {"x": "__init__"}) == r"Call \_\_init\_\_."


def test_text_after_a_fence_is_prose_again() -> None:
    source = "```\n{{ x }}\n```\n\n{{ x }} and `{{ x }}`\n~~~\n`\n~~~\n{{ x }}"

    rendered = render(source, NAMES, {"x": "*a*"})

    assert rendered == "```\n*a*\n```\n\n\\*a\\* and `*a*`\n~~~\n`\n~~~\n\\*a\\*"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a`b```c", "a'b'''c"),
        ("two\nlines\r\n# heading", "two lines # heading"),
        ("bell\x07 and \u202eright-to-left\u2069", "bell and right-to-left"),
        ("@everyone and @here", "@\u200beveryone and @\u200bhere"),
        ("x" * 1000, "x" * 200),
        ("\ue000mark\ue001", "mark"),
    ],
)
def test_a_value_loses_what_could_break_out_of_code(value: str, shown: str) -> None:
    assert render("`{{ x }}`", NAMES, {"x": value}) == f"`{shown}`"


@pytest.mark.parametrize(
    "value",
    ["[click](https://evil.example)", "<@123456>", "||spoiler||", "**bold", "~~x~~", "&lt;", "- a"],
)
def test_prose_makes_no_link_mention_or_format_of_a_value(value: str) -> None:
    rendered = render("{{ x }}", NAMES, {"x": value})

    assert visible(rendered).replace("\u200b", "") == value
    assert "://" not in rendered
    assert "<@" not in rendered.replace("\\<", "")


@given(st.text(max_size=60))
def test_no_value_changes_the_markdown_around_it(value: str) -> None:
    shown = visible(render("before `{{ x }}` {{ x }} after", NAMES, {"x": value}))

    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "`" not in value or "`" not in shown


@given(st.text(min_size=1, max_size=60))
def test_a_value_that_opens_a_line_opens_no_block(value: str) -> None:
    visible(render("{{ x }}x after", NAMES, {"x": value}))


def test_a_shape_is_shown_without_backslashes() -> None:
    assert render("It is {{ x }}.", NAMES, {"x": "[2, 3]"}) == "It is [2, 3]."


def test_a_whole_number_is_shown_without_a_point() -> None:
    assert render("{{ x }} MiB", NAMES, {"x": 20.0}) == "20 MiB"
    assert render("{{ x }} GiB", NAMES, {"x": 2.5}) == "2.5 GiB"


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_without_an_end_are_shown_in_words(value: float) -> None:
    assert render("{{ x }}", NAMES, {"x": value}) == str(value)


def test_an_empty_slot_is_refused_rather_than_printed_as_none() -> None:
    with pytest.raises(ValueError, match="printed while it is empty"):
        render("You have {{ x }}", NAMES, {})


def test_a_line_with_only_a_tag_leaves_no_gap() -> None:
    source = "- a\n{% if x %}\n- {{ x }}\n{% endif %}\n- c\n\n{% if x %}\nMore.\n{% endif %}"

    assert render(source, NAMES, {"x": 2}) == "- a\n- 2\n- c\n\nMore."
    assert render(source, NAMES, {}) == "- a\n- c"
