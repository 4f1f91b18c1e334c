"""Posts that were written before any rewrite: which of them end in a repair, and is it right?

Each post carries a `check`, a few assertions about what the learner wanted. A repair that only
silences the error fails them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from bot.confirm import Confirmation, Verdict
from bot.tutor import Tutor
from knowledge.search import Searcher
from sandbox.pool import Pool
from sandbox.protocol import Snippet, Status
from sandbox.waiting import WaitingRoom

pytestmark = pytest.mark.timeout(1200)
"""A guard against hanging: hundreds of runs stand behind the first test."""

POSTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "repair_posts.yaml").read_text(encoding="utf-8")
)
AT_ONCE = 2


@dataclass(frozen=True)
class Tried:
    post: dict[str, Any]
    confirmation: Confirmation
    holds: bool
    """Whether the assertions of the post hold after the repaired code."""

    @property
    def repairable(self) -> bool:
        return self.post.get("repair") != "none"


@pytest_asyncio.fixture(scope="module")
async def tried(searcher: Searcher) -> AsyncIterator[list[Tried]]:
    async with Pool() as pool:
        tutor = Tutor(searcher, WaitingRoom(pool, at_once=2))
        turns = asyncio.Semaphore(AT_ONCE)

        async def attempt(post: dict[str, Any]) -> Tried:
            async with turns:
                confirmation = await tutor.confirm(post["text"], None)
                if confirmation.repair is None:
                    return Tried(post, confirmation, False)
                checked = f"{confirmation.code}\n{post.get('check', '')}"
                after = await pool.run(Snippet(code=checked))
                return Tried(post, confirmation, after.status is Status.OK)

        yield list(await asyncio.gather(*(attempt(post) for post in POSTS)))


async def test_at_least_four_of_five_entries_end_in_a_right_repair(tried: list[Tried]) -> None:
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for each in tried:
        if each.repairable:
            outcomes[each.post["entry"]].append(each.holds)
    assert len(outcomes) >= 55
    assert sum(map(len, outcomes.values())) >= 60

    lacking = sorted(slug for slug, holds in outcomes.items() if not any(holds))

    assert len(lacking) <= 0.2 * len(outcomes), lacking


async def test_no_wrong_repair_is_shown_as_verified(tried: list[Tried]) -> None:
    wrong = [
        (each.post["id"], each.confirmation.repair.edits)
        for each in tried
        if each.confirmation.repair is not None and not (each.repairable and each.holds)
    ]

    assert wrong == []


async def test_a_repair_comes_with_its_diff_and_both_runs(tried: list[Tried]) -> None:
    for each in tried:
        confirmation = each.confirmation
        if confirmation.repair is None:
            assert confirmation.verdict is not Verdict.FIXED
            continue
        assert confirmation.verdict is Verdict.FIXED
        assert confirmation.before is not None
        assert confirmation.before.exception is not None
        assert confirmation.after is not None
        assert confirmation.after.status is Status.OK
        assert confirmation.code != confirmation.before_code


async def test_what_cannot_be_repaired_is_explained_instead(tried: list[Tried]) -> None:
    unexplained = [
        each.post["id"]
        for each in tried
        if each.confirmation.verdict is Verdict.UNREPAIRED and each.confirmation.explanation is None
    ]

    assert unexplained == []
