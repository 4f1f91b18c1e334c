"""Whatever rewrites propose is code that compiles, differs, hides nothing and is told in words."""

from __future__ import annotations

import importlib
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learner import fault_of, library

from bot.locale import say
from bot.repair import MOST, REGISTER, Candidate, Fault, Grade, candidates
from bot.rewrites.source import MAX_CODE
from knowledge.entry import Entry
from knowledge.language import Language

DOCS = Path(__file__).parents[2] / "docs" / "repairs.md"

CONVOLUTION = """\
import torch
from torch import nn


class Net(nn.Module):  # a small one
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)   # grey

        # two numbers out of all pixels
        self.fc = nn.Linear(
            100,
            2,
        )

    def forward(self, x):
        x = self.conv(x).flatten(1)
        return self.fc( x )  # here


out = Net()(torch.rand(5, 1, 8, 8))
"""

TOO_DEEP = {
    "brackets": "(" * 5_000 + ")" * 5_000,
    "signs": "x = " + "-" * 20_000 + "1",
    "sum": "x = " + "+".join("1" for _ in range(20_000)),
    "attributes": "x = a" + ".b" * 20_000,
    "blocks": "".join("  " * depth + "if 1:\n" for depth in range(95)) + "  " * 95 + "pass",
}


def entries() -> tuple[Entry, ...]:
    return library()[0]


@cache
def proposals() -> tuple[tuple[str, Candidate], ...]:
    """What is proposed for the failing examples of all entries, as for a fault of each slug."""
    found: list[tuple[str, Candidate]] = []
    for entry in entries():
        code = entry.fails or ""
        for line in (None, len(code.splitlines())):
            slots = {name: 3 for signature in entry.signatures[:1] for name in signature.slots}
            fault = Fault(entry.slug, slots, "RuntimeError: odd", line)
            found += [(code, candidate) for candidate in candidates(code, fault)]
    return tuple(found)


def test_many_rewrites_cover_many_entries() -> None:
    known = {entry.slug for entry in entries()}
    named = {slug for made in REGISTER.values() for slug in made.entries}

    assert named <= known
    assert len(REGISTER) >= 45
    assert len(named) >= 45


def test_every_rewrite_has_an_example_that_is_mended() -> None:
    modules = [
        importlib.import_module(path.stem)
        for path in Path(__file__).parent.glob("test_rewrites_*.py")
    ]
    shown = {
        example.rewrite
        for module in modules
        for example in (*getattr(module, "EXAMPLES", ()), *getattr(module, "TOLD", ()))
    }
    assert shown == set(REGISTER)


def test_every_rewrite_says_what_it_changes() -> None:
    for made in REGISTER.values():
        assert made.changes.endswith("."), made.id
        assert made.grades, made.id


@pytest.mark.parametrize("language", Language)
def test_every_candidate_has_its_sentence_filled(language: Language) -> None:
    for _, candidate in proposals():
        key = f"repair.{candidate.rewrite.replace('-', '_')}"
        assert say(language, key, **candidate.values)


def test_sentences_ask_only_for_values_that_candidates_bring() -> None:
    for _, candidate in proposals():
        text = say(Language.EN, f"repair.{candidate.rewrite.replace('-', '_')}")
        wanted = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        assert wanted <= set(candidate.values), candidate.rewrite


def test_candidates_are_of_the_grades_that_their_rewrite_states() -> None:
    for _, candidate in proposals():
        assert candidate.grade in REGISTER[candidate.rewrite].grades, candidate.rewrite


def test_the_most_certain_comes_first_and_there_are_few() -> None:
    for entry in entries():
        code = entry.fails or ""
        proposed = candidates(code, Fault(entry.slug, {}, "", len(code.splitlines())))
        ranks = [list(Grade).index(one.grade) for one in proposed]

        assert ranks == sorted(ranks)
        assert len(proposed) <= MOST
        assert len({one.code for one in proposed}) == len(proposed)


def test_candidates_change_the_code_and_compile() -> None:
    assert len(proposals()) > 100
    for code, candidate in proposals():
        assert candidate.code != code
        compile(candidate.code, "<candidate>", "exec")


def test_nothing_hides_an_error_or_trusts_a_file() -> None:
    for code, candidate in proposals():
        for never in ("weights_only=False", "retain_graph=True", "try:", "except"):
            assert candidate.code.count(never) <= code.count(never), candidate.rewrite


def test_equal_faults_get_equal_candidates() -> None:
    fault = fault_of(CONVOLUTION)

    assert candidates(CONVOLUTION, fault) == candidates(CONVOLUTION, fault)


def test_what_is_not_changed_stays_as_it_was_written() -> None:
    first = candidates(CONVOLUTION, fault_of(CONVOLUTION))[0]

    assert first.rewrite == "set-in-features"
    assert first.code == CONVOLUTION.replace("100,", "144,")


def test_comments_above_a_moved_or_added_line_stay() -> None:
    code = (
        "import torch\n\nw = torch.ones(2, requires_grad=True)\n(w * 2).sum().backward()\n\n"
        "# one step\nw -= 0.1 * w.grad  # descend\n"
    )
    first = candidates(code, fault_of(code))[0]

    assert "# one step\nwith torch.no_grad():\n    w -= 0.1 * w.grad  # descend\n" in first.code


def test_an_import_that_an_edit_needs_is_added_once_behind_the_others() -> None:
    code = '"""Notes."""\nimport torch\n\nx = torch.stack([torch.ones(2), torch.ones(3)])\n'
    first = candidates(code, fault_of(code))[0]

    assert first.code.startswith(
        '"""Notes."""\nimport torch\nfrom torch.nn.utils.rnn import pad_sequence\n\n'
    )


def test_an_entry_without_rewrites_gets_no_candidates() -> None:
    assert candidates("import torch\n", Fault("no-such-entry")) == ()


@pytest.mark.parametrize("code", TOO_DEEP.values(), ids=TOO_DEEP.keys())
def test_code_that_nests_too_deeply_is_left_alone(code: str) -> None:
    for slug in ("matmul-shape-mismatch", "module-attribute-missing", "backward-twice"):
        assert candidates(code, Fault(slug, {}, "", 1)) == ()


def test_code_that_is_too_long_is_left_alone() -> None:
    code = CONVOLUTION + "#" * MAX_CODE

    assert candidates(code, fault_of(CONVOLUTION)) == ()


@st.composite
def odd_faults(draw: st.DrawFn) -> Fault:
    slugs = sorted({slug for made in REGISTER.values() for slug in made.entries})
    values = st.integers(-3, 9) | st.text(max_size=8) | st.just("[4, 1, 28]") | st.floats()
    slots = st.sampled_from(
        ["rows", "cols", "in_features", "size", "expected", "got", "input", "target", "name", "dim"]
    )
    return Fault(
        draw(st.sampled_from(slugs)),
        draw(st.dictionaries(slots, values)),
        draw(st.sampled_from(["", "NoneType tuple method", "got 1 class 'str'"]) | st.text()),
        draw(st.none() | st.integers(-2, 40)),
    )


@given(code=st.text(), fault=odd_faults())
@settings(max_examples=150, deadline=None)
def test_any_text_is_answered_without_an_error(code: str, fault: Fault) -> None:
    candidates(code, fault)


@st.composite
def cut_examples(draw: st.DrawFn) -> str:
    entry = draw(st.sampled_from(entries()))
    lines = ((draw(st.sampled_from([entry.fails, entry.works]))) or "").splitlines()
    kept = draw(st.lists(st.sampled_from(lines or [""]), max_size=30))
    return "\n".join(lines if draw(st.booleans()) else kept)


@given(code=cut_examples(), fault=odd_faults())
@settings(max_examples=250, deadline=None)
def test_any_piece_of_an_example_is_answered_without_an_error(code: str, fault: Fault) -> None:
    for candidate in candidates(code, fault):
        compile(candidate.code, "<candidate>", "exec")


def _table() -> Iterator[str]:
    yield "| Rewrite | What it changes | Grade | Entries |"
    yield "| --- | --- | --- | --- |"
    for made in REGISTER.values():
        grades = ", ".join(made.grades)
        slugs = ", ".join(f"`{slug}`" for slug in made.entries)
        changes = made.changes.replace("|", "\\|")
        yield f"| `{made.id}` | {changes} | {grades} | {slugs} |"


def test_the_page_about_repairs_lists_every_rewrite() -> None:
    written = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]

    assert written == list(_table()), "copy the right side into docs/repairs.md:\n" + "\n".join(
        _table()
    )
