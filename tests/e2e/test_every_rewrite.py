"""Every rewrite by way of a post: its code fails in the sandbox, is mended, and runs there.

The programs are those of tests/bot/test_rewrites_*.py, where each is also held to what it computes.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest
import pytest_asyncio
from learner import Example

from bot.confirm import Confirmation, Verdict
from bot.tutor import Tutor
from sandbox.protocol import Status

pytestmark = pytest.mark.timeout(1200)
"""A guard against hanging: hundreds of runs stand behind the first test."""

AT_ONCE = 3
NOT_BY_A_POST = {
    "scheduler-after-optimizer": "the program warns and ends well, so a post of it has no error",
    "name-softmax-dim": "the program warns and ends well",
    "use-new-name": "the program warns and ends well",
    "warn-about-determinism": "it brings a warning, and an edit that does is not shown",
    "unpack-with-batch": "a guess, behind two edits that run as well",
    "name-the-lambda": "without more context the message is too general for the search to be sure",
    "load-into-model": "without more context the message is too general for the search to be sure",
    "step-after-backward": "the failing line changes places, and is not followed then",
}
"""Rewrites that a post with this code does not lead to, each with the reason."""


def examples() -> list[Example]:
    """The programs that raise their error on a CPU."""
    folder = Path(__file__).parents[1] / "bot"
    modules = (
        importlib.import_module(path.stem) for path in sorted(folder.glob("test_rewrites_*.py"))
    )
    return [
        example
        for module in modules
        for example in getattr(module, "EXAMPLES", ())
        if example.slug is None
    ]


@pytest_asyncio.fixture(scope="module")
async def mended(tutor: Tutor) -> AsyncIterator[dict[str, list[Confirmation]]]:
    """What each rewrite's posts end in."""
    turns = asyncio.Semaphore(AT_ONCE)
    ends: dict[str, list[Confirmation]] = defaultdict(list)

    async def ask(example: Example) -> None:
        async with turns:
            post = f"why does this stop?\n```python\n{dedent(example.code).strip()}\n```"
            ends[example.rewrite].append(await tutor.confirm(post, None))

    await asyncio.gather(*map(ask, examples()))
    yield ends


async def test_each_rewrite_is_shown_after_it_ran(mended: dict[str, list[Confirmation]]) -> None:
    shown = {
        edit.rewrite
        for confirmations in mended.values()
        for each in confirmations
        for repair in (*filter(None, [each.repair]), *each.alternatives)
        for edit in repair.edits
    }

    assert len(mended) >= 150
    assert set(mended) - shown - set(NOT_BY_A_POST) == set()


async def test_a_repair_failed_before_and_ran_after(mended: dict[str, list[Confirmation]]) -> None:
    for confirmations in mended.values():
        for each in confirmations:
            for repair in (*filter(None, [each.repair]), *each.alternatives):
                assert repair.result.status in {Status.OK, Status.EXIT}
                assert each.before is not None
                assert each.before.status is Status.ERROR
            assert (each.repair is not None) == (each.verdict is Verdict.FIXED)
