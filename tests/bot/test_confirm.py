"""Before and after: which change is shown, and which is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import local
from bot.confirm import Verdict
from bot.mending import follow
from bot.render_confirm import confirmed
from bot.repair import Grade
from bot.tutor import Tutor
from knowledge.language import Language

EXAMPLES = Path(local.__file__).parent / "page" / "examples"
BEFORE = "a = 1\nb = f(a)\nc = b\nprint(c)\n"


@pytest.mark.parametrize(
    ("after", "line", "place"),
    [
        (BEFORE, 2, 2),
        ("import g\na = 1\nb = f(a)\nc = b\nprint(c)\n", 2, 3),
        ("a = 1\nb = f(a.detach())\nc = b\nprint(c)\n", 2, 2),
        ("a = 1\nwith g():\n    b = f(a)\nc = b\nprint(c)\n", 2, 3),
        ("a = 1\nxyzzy += 99999\nc = b\nprint(c)\n", 2, 2),
        ("a = 1\nc = b\nprint(c)\n", 2, None),
        (BEFORE, 9, None),
    ],
)
def test_a_line_is_followed_through_a_change(after: str, line: int, place: int | None) -> None:
    assert follow(line, BEFORE, after) == place


def post(code: str) -> str:
    return f"why does this not run?\n```python\n{code}\n```"


async def test_mending_one_error_goes_on_to_the_next(tutor: Tutor) -> None:
    code = (
        "import torch\nfrom torch import nn\n"
        "net = nn.Sequential(nn.Linear(6, 5), nn.Linear(4, 3))\n"
        "out = net(torch.randn(2, 7))\nprint(out.shape)"
    )

    confirmation = await tutor.confirm(post(code), None)

    assert confirmation.verdict is Verdict.FIXED
    assert confirmation.repair is not None
    assert len(confirmation.repair.edits) == 2
    assert confirmation.after is not None
    assert "[2, 3]" in confirmation.after.stdout


async def test_the_example_on_the_page_of_the_local_discord_is_repaired(tutor: Tutor) -> None:
    text = (EXAMPLES / "shapes.txt").read_text(encoding="utf-8")

    confirmation = await tutor.confirm(text, None)

    assert confirmation.verdict is Verdict.FIXED
    assert confirmation.repair is not None
    assert confirmation.repair.grade is Grade.SURE
    assert "nn.Linear(784, 10)" in confirmation.code


async def test_code_that_runs_here_is_called_not_reproduced(tutor: Tutor) -> None:
    text = (
        "```python\nimport torch\nprint(torch.ones(2, 3) @ torch.ones(3, 2))\n```\n"
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2)"
    )

    confirmation = await tutor.confirm(text, None)

    assert confirmation.verdict is Verdict.NOT_REPRODUCED
    assert confirmation.repair is None


async def test_what_is_made_up_is_said_with_its_form(tutor: Tutor) -> None:
    text = (
        "```python\nlayer = nn.Linear(7, 3)\nout = layer(x)\n```\n"
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x11 and 7x3)"
    )

    confirmation = await tutor.confirm(text, None, Language.JA)
    shown = "\n".join(embed.description or "" for embed in confirmed(confirmation).embeds)

    assert confirmation.verdict is Verdict.FIXED
    assert "`x: float32 [5, 11]`" in shown
    assert "`from torch import nn`" in shown
    assert "+layer = nn.Linear(11, 3)" in shown


async def test_what_cannot_be_completed_is_named(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(
        post("import torch\nprint(secret(torch.ones(2)), beta)"), None
    )

    assert confirmation.verdict is Verdict.INCOMPLETE
    assert confirmation.missing == ("secret", "beta")


async def test_a_guess_is_shown_as_a_guess_and_never_as_the_fix(tutor: Tutor) -> None:
    code = (
        "import torch\na = torch.randn(4, 3)\nb = torch.randn(4, 6)\n"
        "both = torch.cat([a, b.reshape(6, 4)], dim=0)\nprint(both.shape)"
    )

    confirmation = await tutor.confirm(post(code), None)

    for repair in confirmation.alternatives:
        assert repair.result.exception is None
    if confirmation.verdict is Verdict.FIXED:
        assert confirmation.repair is not None
        assert confirmation.repair.grade is not Grade.GUESS
    else:
        assert confirmation.repair is None
        assert confirmation.verdict is Verdict.UNREPAIRED
        assert confirmation.explanation is not None
