"""No text makes the parser fail, give two answers, or work more than its length asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pasted_posts import NAMES, pasted

from knowledge.clean import MAX_LINES
from knowledge.language import Language
from knowledge.post import parse


def test_the_head_and_the_tail_of_a_giant_post_are_read() -> None:
    post = parse("なぜ止まるのでしょうか。\n" + "step 1 ok\n" * 1_000_000 + pasted("plain"))

    assert post.language is Language.JA
    assert post.errors[0].message.startswith("mat1 and mat2")
    assert len(post.text) < 300_000


def test_three_hundred_tracebacks_are_read() -> None:
    post = parse("\n".join(pasted("plain").replace("16x96", f"{n}x96") for n in range(300)))

    assert post.errors[0].message.endswith("(299x96 and 48x10)")


@pytest.mark.parametrize(
    "text",
    [
        "A" * 100_000,
        "Error" * 20_000,
        "a." * 50_000 + "Error: x",
        'File "' * 15_000,
        ">" * 100_000,
        "`" * 100_000,
        " " * 100_000 + "x",
        "\n" * 100_000,
        "│" * 100_000,
        "x = (" * 20_000,
        "RuntimeError: x\n" * 6_000,
        "Traceback (most recent call last):\n" * 3_000,
        "[" * 100_000,
        "a(" * 50_000,
        "\\n  File " * 10_000,
        "RuntimeError:\n  y\n\n" * 5_000,
        "f(" + "a, " * 1_300 + "\n" + ("b, " * 1_300 + "\n") * 20,
        ":" * 100_000,
        "|" * 100_000,
        "> " * 50_000,
        "| a | RuntimeError: x |\n" * 4_000,
        "got RuntimeError('" * 6_000,
        ("f()" + ".a()" * 900 + " x\n") * 27,
        ("a" + "x あ" * 1_000 + "UserWarning: x\n") * 30,
        ("x" + " " * 3_900 + "y\n") * 25,
        ("AbError" * 500 + "\n") * 28,
        "[a.py](http" * 9_000,
        "&amp;" * 20_000,
        '  File "' + "a" * 300 + "\n" * 2 * 300,
    ],
)
@pytest.mark.timeout(60)  # a hang guard: quadratic work on such a text takes minutes
def test_hostile_texts_are_read_to_their_end(text: str) -> None:
    post = parse(text)

    assert len(post.text) <= len(text)


ROOT = Path(__file__).resolve().parents[2]
FORMS = ["plain", "new_notebook", "worker", "carets", "no_indentation", "double_escaped"]
MARKS = [
    "> ",
    ">> ",
    "    ",
    "\t",
    "[rank3]: ",
    "worker-1  | ",
    "2031-05-04 10:11:12,345 ERROR ",
]


@given(st.text())
@example("\ud800\x00\x1b[")
@example("```\n~~~\n```")
@example("│ ❱ │\n---->\nE  ")
@example("> " * 3_000 + "RuntimeError: x")
@settings(deadline=None, max_examples=300)
def test_any_text_is_taken(text: str) -> None:
    post = parse(text)

    post.text.encode()
    assert isinstance(post.language, Language)


@given(st.sampled_from(NAMES), st.integers(0, 1_500), st.integers(0, 1_500))
@settings(deadline=None, max_examples=300)
def test_every_slice_of_a_traceback_is_taken(name: str, start: int, end: int) -> None:
    for error in parse(pasted(name)[start:end]).errors:
        assert error.text
        assert error.exception is None or error.text.startswith(error.exception)


PIECES = st.sampled_from(
    [
        *pasted("plain").split("\n"),
        *pasted("new_notebook").split("\n"),
        *pasted("rich").split("\n"),
        *pasted("elastic_root_cause").split("\n"),
        "```",
        "```python",
        '"""',
        "> x",
    ]
)


@given(st.lists(PIECES, max_size=40))
@settings(deadline=None, max_examples=300)
def test_shuffled_lines_are_taken(lines: list[str]) -> None:
    post = parse("\n".join(lines))

    reported = any("RuntimeError: " in line or "IndexError: " in line for line in lines)
    assert bool(post.errors) or not reported


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.text(max_size=20))
@settings(deadline=None, max_examples=200)
def test_two_posts_in_one_keep_an_error_and_read_the_same_each_time(
    first: str, second: str, between: str
) -> None:
    text = pasted(first) + between + "\n\n" + pasted(second)
    post = parse(text)

    assert post == parse(text)
    assert post.errors


@given(st.sampled_from(FORMS), st.sampled_from(MARKS), st.integers(1, 8))
@settings(deadline=None, max_examples=150)
def test_a_mark_before_every_line_changes_neither_error_nor_frames(
    name: str, mark: str, depth: int
) -> None:
    times = depth if mark == "> " else 1
    bare = parse(pasted(name)).errors[0]
    marked = parse("".join(f"{mark * times}{line}\n" for line in pasted(name).split("\n")))

    error = marked.errors[0]
    assert (error.exception, error.message) == (bare.exception, bare.message)
    assert [frame.line for frame in error.frames] == [frame.line for frame in bare.frames]


@given(
    st.sampled_from(["plain", "worker", "carets", "chained"]),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=10),
    st.integers(0, 99_999),
    st.sampled_from(
        ["{name}[{number}]: ", "<{name} {number}> ", "{name} {number} | ", "({name}) "]
    ),
)
@settings(deadline=None, max_examples=150)
def test_a_prefix_that_nobody_foresaw_is_learned(
    name: str, word: str, number: int, form: str
) -> None:
    bare = parse(pasted(name)).errors[0]
    prefixed = parse(
        "".join(
            form.format(name=word, number=number + place) + line + "\n"
            for place, line in enumerate(pasted(name).strip().split("\n"))
        )
    )

    assert prefixed.errors[0].text == bare.text
    assert prefixed.errors[0].frames == bare.frames


def _work(text: str) -> int:
    """How many functions are called to parse `text`: work that is the same on every machine."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    parse(text)
    sys.setprofile(count)
    try:
        parse(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "make",
    [
        lambda count: pasted("plain") * count,
        lambda count: pasted("interleaved") * count,
        lambda count: "| a | RuntimeError: x |\n" * (10 * count),
        lambda count: pasted("exception_group") * count,
        lambda count: "RuntimeError:\n  y\n\n" * (5 * count),
        lambda count: "Root Cause (first observed failure):\n" * (10 * count),
        lambda count: (
            "KeyError: x\n\nDuring handling of the above exception, another exception "
            "occurred:\n\n" * (4 * count)
        ),
        lambda count: '  File "' + "a\n" * (10 * count),
    ],
    ids=["plain", "ranks", "table", "group", "blank", "root cause", "chain", "cut frame"],
)
def test_twice_the_lines_are_twice_the_work(make: Callable[[int], str]) -> None:
    small, large = _work(make(20)), _work(make(40))

    assert large <= 2.3 * small


def test_lines_beyond_the_limit_are_no_work() -> None:
    line = "step 1 ok\n"

    assert _work(line * MAX_LINES * 4) <= 1.2 * _work(line * MAX_LINES)


def test_a_short_fuzz_run_finds_nothing() -> None:
    # The bound is a hang guard here; `make fuzz` holds every input to 50 ms per 100 kB.
    command = [sys.executable, "tools/fuzz_post.py", "--executions=400", "--seconds=0"]
    done = subprocess.run(
        [*command, "--bound=5000"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 crashes, 0 slow" in done.stdout
