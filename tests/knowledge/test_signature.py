"""Promises of message templates."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.signature import MAX_SLOT, Signature, SignatureError, SlotType

MATMUL = (
    "mat1 and mat2 shapes cannot be multiplied "
    "({rows:d}x{cols:d} and {in_features:d}x{out_features:d})"
)


def braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


literals = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80).filter(
    lambda text: len("".join(text.split())) >= 3
)
SHAPES = st.lists(st.integers(-1, 10**6), max_size=6)
NOTATIONS = st.sampled_from(["[{}]", "({})", "{{{}}}", "torch.Size([{}])"])
VALUES = {
    SlotType.INTEGER: st.integers(-(10**9), 10**9),
    SlotType.NUMBER: st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 10**9),
    SlotType.WORD: st.from_regex(r"[A-Za-z_]\w{0,20}(\.\w{1,10}){0,3}", fullmatch=True),
    SlotType.TEXT: st.from_regex(r"[A-Za-z][A-Za-z ,=()]{0,50}[a-z]", fullmatch=True),
}


@given(literals)
def test_any_literal_text_matches_itself(text: str) -> None:
    assert Signature(braced(text)).match(f"RuntimeError: {text}\nmore") == {}


@given(st.text())
def test_no_text_makes_a_match_raise(text: str) -> None:
    for template in (MATMUL, "got {a:shape} for '{b:t}' of {c:w}", "lr {x:n}: {rest:t}"):
        Signature(template).match(text, frames_text=text)


@given(st.text())
def test_any_template_is_usable_or_refused_by_name(template: str) -> None:
    try:
        Signature(template).match("RuntimeError: " + template)
    except SignatureError as error:
        assert repr(template) in str(error)


@given(st.data(), st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=4))
def test_slots_give_back_what_the_message_held(data: st.DataObject, kinds: list[SlotType]) -> None:
    template, message, expected = "Error", "Error", {}
    for number, kind in enumerate(kinds):
        value = data.draw(VALUES[kind])
        template += f" ; slot {{x{number}:{kind}}}"
        message += f" ; slot {value}"
        expected[f"x{number}"] = value

    slots = Signature(template + " ; end.").match(f"RuntimeError: {message} ; end.")

    assert slots == expected


@given(SHAPES, NOTATIONS, st.booleans())
def test_a_shape_is_read_in_every_notation(
    shape: list[int], notation: str, in_old_torch: bool
) -> None:
    text = notation.format((" x " if in_old_torch else ", ").join(map(str, shape)))

    assert Signature("of size {s:shape} here").match(f"of size {text} here") == {"s": str(shape)}


@pytest.mark.parametrize(("text", "shape"), [("32x784", "[32, 784]"), ("(3,)", "[3]")])
def test_a_bare_product_and_a_tuple_of_one_are_shapes(text: str, shape: str) -> None:
    assert Signature("size {s:shape} here").match(f"size {text} here") == {"s": shape}


def test_the_numbers_of_a_real_message_become_slots() -> None:
    message = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x100 and 784x10)"

    assert Signature(MATMUL).match(message) == {
        "rows": 32,
        "cols": 100,
        "in_features": 784,
        "out_features": 10,
    }


def test_line_breaks_and_indentation_do_not_hide_a_message() -> None:
    message = "RuntimeError: mat1 and mat2 shapes\n\n    cannot be\tmultiplied (1x2 and 3x4)"

    assert Signature(MATMUL).match(message) is not None


def test_a_template_is_case_sensitive() -> None:
    assert Signature("CUDA error").match("cuda error") is None


def test_curly_quotes_of_a_phone_match_straight_ones() -> None:
    signature = Signature("No module named '{name:t}'")

    assert signature.match("No module named \u2018torch\u2019") == {"name": "torch"}


def test_free_text_is_the_shortest_that_fits_and_stays_on_its_line() -> None:
    signature = Signature("found {what:t} of {n:d} items")

    assert signature.match("found a box of old of 3 items") == {"what": "a box of old", "n": 3}
    assert signature.match("found a box\nof nothing of 3 items") is None


def test_free_text_at_the_end_is_the_rest_of_the_line() -> None:
    assert Signature("reason: {why:t}").match("reason: too big\nnext line") == {"why": "too big"}


def test_a_word_leaves_the_punctuation_to_the_sentence() -> None:
    signature = Signature("but found {dtype:w}")

    assert signature.match("but found torch.cuda.FloatTensor.") == {
        "dtype": "torch.cuda.FloatTensor"
    }


def test_a_word_gives_way_to_literal_text_that_looks_like_a_part_of_it() -> None:
    signature = Signature("{model:w}.forward() missing")

    assert signature.match("TypeError: app.Net.forward() missing") == {"model": "app.Net"}


def test_a_number_at_the_end_of_a_sentence_keeps_no_full_stop() -> None:
    assert Signature("allocate {size:n}").match("allocate 20.50. Next") == {"size": 20.5}
    assert Signature("allocate {size:n}").match("allocate 20. Next") == {"size": 20}
    assert Signature("(max={top:n})").match("(max=2.)") == {"top": 2}


def test_an_opening_slot_opens_a_word() -> None:
    signature = Signature("{n:d} elements")

    assert signature.match("x12 elements") is None
    assert signature.match("of 12 elements") == {"n": 12}


def test_wildcards_are_matched_and_not_kept() -> None:
    assert Signature("got {:d} and {n:d} of {:t}").match("got 1 and 2 of them") == {"n": 2}


def test_double_braces_are_literal() -> None:
    assert Signature("{{0, {n:d}}}").match("index {0, 7}") == {"n": 7}


def test_free_text_is_never_longer_than_the_cap() -> None:
    found = Signature("reason: {why:t}").match("reason: " + "x" * 10_000)

    assert found == {"why": "x" * MAX_SLOT}
    assert Signature("from {a:t} to").match(f"from {'x' * 10_000} to") is None


def test_also_and_unless_decide_on_the_text_of_the_error() -> None:
    signature = Signature.from_front_matter(
        {"template": "is deprecated", "also": ["Using a"], "unless": ["ValueError"]}
    )

    assert signature.match("Using\na target is deprecated") == {}
    assert signature.match("target is deprecated") is None
    assert signature.match("ValueError: Using a target is deprecated") is None


def test_frames_decide_where_the_texts_are_equal() -> None:
    frames = "File collate.py in default_collate\nFile fetch.py in fetch"
    wanted = Signature("equal size", frames=("pad_sequence", "default_collate"))
    unwanted = Signature("equal size", without_frames=("default_collate",))

    assert wanted.match("equal size", frames_text=frames) == {}
    assert wanted.match("equal size") is None
    assert unwanted.match("equal size", frames_text=frames) is None
    assert unwanted.match("equal size") == {}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (7, "neither a text nor a mapping"),
        ({"since": "1.8"}, "no template"),
        ({"template": "some text", "sinse": "1.8"}, "unknown key sinse"),
        ({"template": "some text", "since": 1.8}, "in quotes"),
        ({"template": "some text", "also": "one"}, "must be a list of texts"),
        ({"template": "some text", "frames": [""]}, "must be a list of texts"),
        ({"template": "some text", "weak": "yes"}, "true or false"),
        ("some {text", "lone brace"),
        ("some } text", "lone brace"),
        ("some {x} text", "lone brace"),
        ("some {x:q} text", "unknown type"),
        ("some {X:d} text", "cannot name a slot"),
        ("some {in:d} text", "cannot name a slot"),
        ("some {x:d} text {x:d}", "twice"),
        ("{x:d} {y:d} a", "too little literal text"),
        ("", "too little literal text"),
        ("{x:t} is not defined", "opens with"),
        ("some {x:t}{y:t} text", "side by side"),
    ],
)
def test_an_unusable_signature_is_refused_with_the_reason(value: object, complaint: str) -> None:
    with pytest.raises(SignatureError, match=re.escape(complaint)):
        Signature.from_front_matter(value)


def test_plain_gives_the_words_of_a_template() -> None:
    assert Signature("got {n:d} of {{x}}\n  here").plain == "got of {x} here"


HOSTILE = {
    "[1, " * 25_000: "of {a:shape} here",
    "a." * 50_000: "some {a:w}.{b:w}.{c:w} here",
    "some from to " * 8_000: "some {a:t} from {b:t} to {c:t} here",
    "some " * 20_000: "some {a:t} here",
    "some 1111111111.1111111111e" * 4_000: "some {a:n} here",
    "x" * 100_000: "{a:w} here",
    " \n" * 50_000: "some here",
}


@pytest.mark.parametrize("text", HOSTILE, ids=list(HOSTILE.values()))
def test_no_hostile_text_makes_a_match_slow(text: str) -> None:
    signature = Signature(HOSTILE[text])
    # The literals are there, so that the quick check for them does not save the day.
    hostile = f"some of here {text} some of from to here"
    signature.match("some of from to here")

    start = time.process_time()
    signature.match(hostile)

    assert time.process_time() - start < 0.5  # seconds; exponential backtracking takes years


def test_a_long_text_without_the_message_is_passed_over_quickly() -> None:
    text = "RuntimeError: an everyday line of some log, number 12345\n" * 1_800
    signature = Signature(MATMUL)
    signature.match(text)

    start = time.process_time()
    for _ in range(100):
        signature.match(text)

    assert time.process_time() - start < 0.5  # 100 templates over 100 kB
