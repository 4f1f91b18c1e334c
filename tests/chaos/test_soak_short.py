"""The short form of `make soak`: hostile runs in a row leave nothing."""

from __future__ import annotations

import pytest

from sandbox.protocol import Result, Status, Tier
from tools import soak


@pytest.mark.asyncio(loop_scope="session")
async def test_hostile_runs_in_a_row_leave_nothing_behind() -> None:
    told, before, after = await soak.run(150, seed=1, tier=Tier.STRONG, at_once=2)
    assert told.faults == []
    assert sum(told.statuses.values()) == 150
    assert set(told.statuses) >= {Status.OK, Status.ERROR, Status.SIGNAL, Status.EXIT}
    assert after.unwritable == before.unwritable


def test_a_canary_of_another_run_is_noticed() -> None:
    """The soak itself can fail."""
    mine, others = ("canaryxof" + letter * 16 for letter in "ab")
    told = soak.Soak(family="canaryxof")
    told.judge("an attack", mine, Result(status=Status.OK, stdout=mine))
    assert told.faults == []
    told.judge("an attack", mine, Result(status=Status.OK, stdout=others))
    assert told.faults == ["an attack: a canary of another run came back"]
