"""The service: answers, runs and verdicts, with the real search and the real sandbox."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.confirm import Verdict
from bot.inputs import InputError
from bot.tutor import NotProvable, Tutor, UnknownEntry
from knowledge.language import Language
from knowledge.post import Post, parse
from knowledge.search import Searcher
from sandbox.protocol import Status

MISFIT = """\
import torch
from torch import nn

layer = nn.Linear(7, 3)
layer(torch.randn(5, 11))
"""
MISFIT_POST = f"""\
why does my layer refuse this?

```python
{MISFIT}```

```
Traceback (most recent call last):
  File "demo.py", line 5, in <module>
    layer(torch.randn(5, 11))
RuntimeError: mat1 and mat2 shapes cannot be multiplied (5x11 and 7x3)
```
"""


async def test_a_post_is_explained_with_its_own_numbers(tutor: Tutor) -> None:
    answer = await tutor.answer(MISFIT_POST)

    assert answer.explanation is not None
    assert answer.explanation.slug == "matmul-shape-mismatch"
    assert answer.language is Language.EN
    assert "11" in answer.explanation.summary
    assert "7" in answer.explanation.summary


@pytest.mark.parametrize(
    ("post", "language"),
    [
        ("この層でエラーになります。助けてください。\n" + MISFIT_POST, Language.JA),
        ("这一层报错了，请问怎么改？\n" + MISFIT_POST, Language.ZH),
    ],
)
async def test_a_post_is_answered_in_its_own_language(
    tutor: Tutor, post: str, language: Language
) -> None:
    answer = await tutor.answer(post)

    assert answer.explanation is not None
    assert answer.explanation.language is language
    assert "11" in answer.explanation.summary


async def test_the_asked_language_wins_over_that_of_the_post(tutor: Tutor) -> None:
    answer = await tutor.answer(MISFIT_POST, Language.JA)

    assert answer.explanation is not None
    assert answer.explanation.language is Language.JA


async def test_talk_about_other_things_gets_no_answer(tutor: Tutor) -> None:
    answer = await tutor.answer("Shall we meet on Thursday at eight and bring some cake?")

    assert answer.explanation is None


async def test_a_blank_post_is_refused_in_words(tutor: Tutor) -> None:
    with pytest.raises(InputError, match="empty"):
        await tutor.answer(" \n")


async def test_a_failing_run_is_explained_at_once(tutor: Tutor) -> None:
    report = await tutor.run(MISFIT)

    assert report.result.status is Status.ERROR
    assert report.result.exception is not None
    assert report.result.exception.line == 5
    assert report.answer is not None
    assert report.answer.explanation is not None
    assert report.answer.explanation.slug == "matmul-shape-mismatch"


async def test_a_run_that_warns_is_explained_too(tutor: Tutor) -> None:
    report = await tutor.run(
        "import torch\ntorch.nn.functional.mse_loss(torch.zeros(4, 1), torch.zeros(4))\n"
    )

    assert report.result.status is Status.OK
    assert report.answer is not None
    assert report.answer.explanation is not None
    assert report.answer.explanation.slug == "silent-mse-broadcast"


async def test_a_run_that_ends_well_needs_no_explanation(tutor: Tutor) -> None:
    report = await tutor.run("print(6 * 7)")

    assert report.result.stdout == "42\n"
    assert report.answer is None


async def test_a_fix_is_confirmed_against_the_code_of_the_post(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(MISFIT_POST, MISFIT.replace("Linear(7", "Linear(11"))

    assert confirmation.verdict is Verdict.FIXED
    assert confirmation.before is not None
    assert confirmation.before.status is Status.ERROR
    assert confirmation.after is not None
    assert confirmation.after.status is Status.OK


@pytest.mark.parametrize(
    ("code", "verdict", "entry"),
    [
        (MISFIT.replace("Linear(7", "Linear(9"), Verdict.SAME_ERROR, "matmul-shape-mismatch"),
        (
            MISFIT.replace("randn(5, 11)", "ones(5, 7).long()"),
            Verdict.OTHER_ERROR,
            "dtype-mismatch",
        ),
    ],
)
async def test_a_fix_that_does_not_hold_is_explained(
    tutor: Tutor, code: str, verdict: Verdict, entry: str
) -> None:
    confirmation = await tutor.confirm(MISFIT_POST, code)

    assert confirmation.verdict is verdict
    assert confirmation.explanation is not None
    assert confirmation.explanation.slug == entry


async def test_a_snippet_that_is_not_whole_says_all_that_it_lacks(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(MISFIT_POST, "out = model(batch)\nloss = criterion(out, y)")

    assert confirmation.verdict is Verdict.INCOMPLETE
    assert confirmation.missing == ("model", "batch", "criterion", "y")


async def test_a_fix_that_never_ends_is_a_timeout(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(MISFIT_POST, "while True: pass")

    assert confirmation.verdict is Verdict.TIMEOUT


async def test_without_proposed_code_a_repair_is_found_and_run(tutor: Tutor) -> None:
    confirmation = await tutor.confirm(MISFIT_POST, None)

    assert confirmation.verdict is Verdict.FIXED
    assert confirmation.entry is not None
    assert confirmation.entry.slug == "matmul-shape-mismatch"
    assert confirmation.before is not None
    assert confirmation.before.status is Status.ERROR
    assert confirmation.after is not None
    assert confirmation.after.status is Status.OK
    assert "nn.Linear(11, 3)" in confirmation.code


async def test_a_python_error_of_the_same_kind_is_the_same_error(tutor: Tutor) -> None:
    post = "```python\n{}['a1']\n```\nKeyError: 'a1'"

    confirmation = await tutor.confirm(post, "{}['a2']")

    assert confirmation.verdict is Verdict.SAME_ERROR


async def test_an_example_fails_before_and_runs_after(tutor: Tutor) -> None:
    example = await tutor.example("matmul-shape-mismatch", Language.ZH)

    assert example.before.status is Status.ERROR
    assert example.after.status is Status.OK
    assert example.explanation.language is Language.ZH


async def test_an_example_that_needs_a_gpu_says_why_it_is_not_run(tutor: Tutor) -> None:
    with pytest.raises(NotProvable):
        await tutor.example("device-mismatch", Language.EN)


async def test_an_unknown_entry_is_named(tutor: Tutor) -> None:
    with pytest.raises(UnknownEntry, match="no-such-entry"):
        await tutor.example("no-such-entry", Language.EN)


async def test_nothing_else_waits_behind_a_flood_of_posts(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def slow(text: str) -> Post:
        released.wait(60)
        return parse(text)

    monkeypatch.setattr("bot.tutor.parse", slow)
    tutor = Tutor(searcher)
    flood = [asyncio.create_task(tutor.answer(MISFIT_POST)) for _ in range(64)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await asyncio.to_thread(str, 7) == "7"
        assert not any(task.done() for task in flood)
    finally:
        released.set()
        answers = await asyncio.gather(*flood)
    assert all(answer.explanation for answer in answers)
