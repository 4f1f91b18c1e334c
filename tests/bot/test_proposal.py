"""A change that is shown before it is run: only where the rewrite is sure of it."""

from __future__ import annotations

import pytest

from bot.proposal import Proposed, propose
from bot.tutor import Tutor
from knowledge.language import Language
from knowledge.post import parse
from knowledge.search import Searcher

CODE = """\
import torch
from torch import nn

layer = nn.Linear(512, 10)
pixels = torch.randn(32, 784)
print(layer(pixels).shape)"""
TRACEBACK = """\
Traceback (most recent call last):
  File "demo.py", line 6, in <module>
    print(layer(pixels).shape)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (32x784 and 512x10)"""


def proposed(searcher: Searcher, text: str) -> Proposed | None:
    post = parse(text)
    return propose(post, searcher.search(post).matches[0])


def test_a_sure_change_is_proposed_with_the_code_that_it_changes(searcher: Searcher) -> None:
    change = proposed(searcher, f"```python\n{CODE}\n```\n```\n{TRACEBACK}\n```")

    assert change is not None
    assert change.before.strip() == CODE
    assert "nn.Linear(784, 10)" in change.candidate.code


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{TRACEBACK}\n```",
        f"```python\nprint('something else')\n```\n```\n{TRACEBACK}\n```",
        "```python\nx = [1, 2\n```\n```\nRuntimeError: mat1 and mat2 shapes cannot be multiplied"
        " (32x784 and 512x10)\n```",
    ],
    ids=["no code", "other code", "code that cannot be read"],
)
def test_nothing_is_proposed_without_code_that_fits(searcher: Searcher, text: str) -> None:
    assert proposed(searcher, text) is None


async def test_a_guess_is_not_proposed(tutor: Tutor) -> None:
    code = "import torch\ntable = torch.nn.Embedding(10, 3)\ntable(torch.tensor([10]))"
    text = f"```python\n{code}\n```\n```\nIndexError: index out of range in self\n```"
    answer = await tutor.answer(text, Language.EN)

    assert answer.explanation is not None
    assert answer.proposed is None
