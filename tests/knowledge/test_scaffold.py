"""A new entry begins with a pasted error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.entry import load_entries
from knowledge.library import check_folder
from knowledge.post import parse
from knowledge.scaffold import NoError, scaffold, template_of
from knowledge.signature import Signature, SignatureError

PASTED = """\
what is this?

```python
import torch
grid = torch.zeros(3, 9).frobnicate(4)
```

Traceback (most recent call last):
  File "lab.py", line 2, in <module>
    grid = torch.zeros(3, 9).frobnicate(4)
RuntimeError: frobnicate(): axis 4 of shape [3, 9] clashes with 'a.bias' on cuda:1 (by 0.25)
"""


def test_the_values_of_a_message_become_slots() -> None:
    made = scaffold(parse(PASTED))

    found = Signature(made.template).match(
        "Error: frobnicate(): axis 7 of shape [1, 2, 3] clashes with 'a.b' on cuda:0 (by 1.5)"
    )
    assert found == {
        "count": 7,
        "shape": "[1, 2, 3]",
        "name": "a.b",
        "device": "cuda:0",
        "number": 1.5,
    }


def test_the_slug_is_made_of_the_words_of_the_message() -> None:
    assert scaffold(parse(PASTED)).slug == "frobnicate-axis-of-shape-clashes"
    assert scaffold(parse(PASTED), "our-grid").slug == "our-grid"


def test_the_posted_code_is_the_failing_example() -> None:
    assert "```python fails\nimport torch\ngrid = torch.zeros(3, 9)" in scaffold(parse(PASTED)).text


def test_an_unfinished_entry_does_not_go_live_and_its_blanks_are_named(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "our-grid.md").write_text(scaffold(parse(PASTED)).text, encoding="utf-8")

    faults = [str(fault) for fault in check_folder(tmp_path)]

    assert any("our-grid.md:2" in fault and "title" in fault for fault in faults), faults
    assert any("Cause" in fault for fault in faults), faults


def test_a_text_without_an_error_is_refused_in_words() -> None:
    with pytest.raises(NoError, match="Paste the whole traceback"):
        scaffold(parse("my loss does not move, any idea?"))


@pytest.mark.parametrize(
    "entry",
    [each for each in load_entries() if each.proof.recorded],
    ids=lambda entry: str(entry.slug),
)
def test_a_template_matches_the_message_that_it_was_made_of(entry: object) -> None:
    recorded: str = entry.proof.recorded  # type: ignore[attr-defined]
    first = recorded.strip().splitlines()[0]
    try:
        template = template_of(first)
    except SignatureError:
        pytest.skip("too general a message, which is refused")

    assert Signature(template).match(first) is not None


@given(st.text(max_size=300))
def test_any_message_gives_a_template_that_matches_it_or_is_refused(message: str) -> None:
    try:
        template = template_of(message)
    except SignatureError:
        return
    line = next(each for each in message.splitlines() if each.strip()).strip()[:200]

    assert Signature(template).match(line) is not None
