"""Whatever strangers write stays in its place when it is shown."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.fence import (
    GAP,
    Keep,
    clip_markdown,
    cut,
    cut_lines,
    fenced,
    inline,
    one_line,
    units,
    visible,
    without_mentions,
)

HOSTILE = st.lists(
    st.sampled_from(
        [
            "```",
            "`",
            "\n```\n",
            "@everyone",
            "@here",
            "<@123>",
            "<@!1>",
            "<@&9>",
            "<#5>",
            "\x1b[31m",
            "\x1b]8;;https://example.org\x07",
            "\x1b",
            "\x9b31m",
            "\r",
            "\r\n",
            "\b",
            "\0",
            "\u202e",
            "\u2066",
            "\u200b",
            "\u200d",
            "\ufeff",
            "\u2028",
            "\ud800",
            "\U000e0041",
            "😀",
            "日本語",
            "tensor([1.])",
            "\n",
            " ",
        ]
    )
    | st.text(max_size=20),
    max_size=40,
).map("".join)
KEEP = st.sampled_from(Keep)
MENTION = re.compile(r"@(everyone|here)|<@[!&]?\d+>|<#\d+>")


def inside(block: str, syntax: str = "") -> str:
    """The body of a code block, which is one from its first to its last character."""
    opening = f"```{syntax}\n"
    assert block.startswith(opening) and block.endswith("\n```")
    return block[len(opening) : -len("\n```")]


@given(HOSTILE.filter(str.strip), st.integers(64, 400), KEEP)
@example("```\n@everyone", 64, Keep.ENDS)
@example("``\u200b`", 64, Keep.ENDS)
@example("``\x1b[0m`", 64, Keep.ENDS)
def test_nothing_closes_a_code_block_from_inside(text: str, room: int, keep: Keep) -> None:
    block = fenced(text, room, keep=keep).text

    assert "```" not in inside(block)
    assert block.count("```") == 2


@given(HOSTILE.filter(str.strip), st.integers(64, 400), KEEP)
def test_a_code_block_keeps_its_room(text: str, room: int, keep: Keep) -> None:
    assert units(fenced(text, room, syntax="py", keep=keep).text) <= room


@given(HOSTILE.filter(str.strip))
def test_a_code_block_holds_nothing_invisible_and_mentions_nobody(text: str) -> None:
    body = inside(fenced(text, 2_000).text)

    assert not MENTION.search(body)
    invisible = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    left = [c for c in body if unicodedata.category(c) in invisible and c not in "\n\t"]
    assert left == []
    body.encode("utf-8")


def test_output_of_which_nothing_can_be_seen_still_makes_a_block() -> None:
    assert inside(fenced("\x1b[0m", 100).text) == GAP


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1))
def test_ordinary_output_is_shown_as_it_is(text: str) -> None:
    ordinary = text.replace("`", "'").replace("@", "a").replace("<", "(")
    block = fenced(ordinary, 10_000)

    assert inside(block.text) == ordinary
    assert not block.shortened


def test_the_matrix_product_and_decorators_are_no_mentions() -> None:
    code = "@torch.no_grad()\ndef f(a, b): return a @ b"
    assert inside(fenced(code, 500, syntax="py").text, "py") == code


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://example.org\x07link\x1b]8;;\x07", "link"),
        ("10%\r50%\r100%", "100%"),
        ("50%\r", "50%"),
        ("line\r\nnext\r\n", "line\nnext\n"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u200bb", "a\\u200bb"),
        ("a\0b", "a\\u0000b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("é 日本 😀 \t x", "é 日本 😀 \t x"),
    ],
)
def test_what_cannot_be_seen_is_removed_or_written_out(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(HOSTILE, st.integers(16, 300), KEEP)
def test_a_cut_text_fits_and_says_so(text: str, room: int, keep: Keep) -> None:
    clean = visible(text)
    result = cut(clean, room, keep)

    assert units(result.text) <= room
    assert result.shortened == (units(clean) > room)
    assert (GAP in result.text) or not result.shortened


def test_a_cut_keeps_the_part_that_was_asked_for() -> None:
    text = "\n".join(f"line {number}" for number in range(100))

    assert cut(text, 60, Keep.HEAD).text.startswith("line 0\nline 1")
    assert cut(text, 60, Keep.TAIL).text.endswith("line 98\nline 99")
    both = cut(text, 60, Keep.ENDS).text
    assert both.startswith("line 0") and both.endswith("line 99")


@given(HOSTILE, st.integers(3, 12), KEEP)
def test_lines_are_cut_to_the_number_asked_for(text: str, most: int, keep: Keep) -> None:
    result = cut_lines(text, most, keep)

    assert result.text.count("\n") < most
    assert result.shortened == (text.count("\n") >= most)


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (Keep.HEAD, ["0", "1", "2", "3", "4", "5", GAP]),
        (Keep.TAIL, [GAP, "14", "15", "16", "17", "18", "19"]),
        (Keep.ENDS, ["0", "1", GAP, "16", "17", "18", "19"]),
    ],
)
def test_of_many_lines_the_part_asked_for_stays(keep: Keep, left: list[str]) -> None:
    text = "\n".join(map(str, range(20)))

    assert cut_lines(text, 7, keep).text.split("\n") == left


def test_a_megabyte_of_output_is_cut_quickly_and_keeps_its_last_line() -> None:
    text = "x" * 1_000_000 + "\nRuntimeError: the last line"
    block = fenced(text, 1_000, keep=Keep.TAIL)

    assert block.shortened
    assert inside(block.text).endswith("RuntimeError: the last line")


@given(HOSTILE, st.integers(16, 120))
def test_inline_code_is_one_line_and_stays_closed(text: str, room: int) -> None:
    shown = inline(text, room)

    assert units(shown) <= room
    assert shown.startswith("`") and shown.endswith("`")
    assert "`" not in shown[1:-1] and "\n" not in shown


@given(HOSTILE, st.integers(16, 120))
def test_a_title_is_one_line_within_its_room(text: str, room: int) -> None:
    shown = one_line(text, room)

    assert units(shown) <= room
    assert "\n" not in shown and not MENTION.search(shown)


def test_clipped_markdown_leaves_no_block_open_and_ends_between_paragraphs() -> None:
    text = "First paragraph.\n\n```py\n" + "x = 1\n" * 100 + "```\n\nLast."
    clipped = clip_markdown(text, 200)

    assert clipped.shortened
    assert units(clipped.text) <= 200
    assert clipped.text.count("```") % 2 == 0
    words = "One. " * 20 + "\n\n" + "Two. " * 20
    assert clip_markdown(words, 120).text == f"{('One. ' * 20).strip()}\n{GAP}"


@given(HOSTILE, st.integers(40, 300))
def test_clipped_markdown_keeps_its_room(text: str, room: int) -> None:
    clipped = clip_markdown(text, room)

    assert units(clipped.text) <= room
    assert not MENTION.search(without_mentions(clipped.text))
