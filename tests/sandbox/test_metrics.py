"""What an operator can watch: counted runs, times, the line, the walls; and the ready dashboard."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest

from sandbox.metrics import Measured
from sandbox.pool import Pool
from sandbox.protocol import Snippet, Status
from sandbox.runner import SandboxError
from sandbox.waiting import Asker, TooManyRuns, WaitingRoom

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "traceback-tutor.json"
SECRET = "a_name_that_only_the_snippet_knows"


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_runs_are_counted_by_status_and_device(pool: Pool) -> None:
    runner = Measured(pool)
    before = {
        each: value("tutor_runs_total", device="cpu", status=each) for each in ("ok", "error")
    }
    timed = value("tutor_run_seconds_count", device="cpu")

    for code in ("x = 1", "x = 2", "1 / 0"):
        await runner.run(Snippet(code=code))

    assert value("tutor_runs_total", device="cpu", status="ok") == before["ok"] + 2
    assert value("tutor_runs_total", device="cpu", status="error") == before["error"] + 1
    assert value("tutor_run_seconds_count", device="cpu") == timed + 3


async def test_a_run_that_could_not_be_made_is_counted_as_lost() -> None:
    before = value("tutor_runs_lost_total", device="cpu")

    with pytest.raises(SandboxError):
        await Measured(Pool()).run(Snippet(code="x = 1"))

    assert value("tutor_runs_lost_total", device="cpu") == before + 1


async def test_the_line_before_the_sandbox_is_told(pool: Pool) -> None:
    room = WaitingRoom(pool, at_once=1, waiting=1)
    waited = value("tutor_wait_seconds_count", device="cpu")
    refused = value("tutor_refused_total", device="cpu", reason="all")

    async def second() -> None:
        async with room.turn(Asker("g", "b")):
            pass

    async with room.turn(Asker("g", "a")):
        waits = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert value("tutor_waiting", device="cpu") == 1
        with pytest.raises(TooManyRuns):
            async with room.turn(Asker("g", "c")):
                pass
    await waits

    assert value("tutor_waiting", device="cpu") == 0
    assert value("tutor_wait_seconds_count", device="cpu") == waited + 2
    assert value("tutor_refused_total", device="cpu", reason="all") == refused + 1


async def test_the_tier_and_the_armed_cells_are_told() -> None:
    async with Pool(size=2) as pool:
        await pool.run(Snippet(code="x = 1"))
        async with asyncio.timeout(60):
            while value("tutor_armed_cells", device="cpu") < 2:  # noqa: ASYNC110 - armed in the background
                await asyncio.sleep(0.01)
        tier = {"device": "cpu", "tutor_sandbox_tier": pool.tier.value}
        assert value("tutor_sandbox_tier", **tier) == 1


async def test_the_log_tells_how_a_run_ended_and_nothing_of_its_code(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sandbox.metrics")
    result = await Measured(pool).run(Snippet(code=f"{SECRET} = print('{SECRET}')"))

    assert result.status is Status.OK
    (record,) = [each for each in caplog.records if each.name == "sandbox.metrics"]
    assert record.__dict__["status"] == "ok"
    assert SECRET not in str(record.__dict__)


async def test_the_log_holds_the_code_where_the_operator_wants_it(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sandbox.metrics")
    await Measured(pool, log_snippets=True).run(Snippet(code=f"{SECRET} = 1"))

    assert caplog.records[-1].__dict__["code"] == f"{SECRET} = 1"


def test_every_metric_on_the_dashboard_exists() -> None:
    told = {
        line.split()[2].removesuffix("_total")
        for line in generate_latest().decode().splitlines()
        if line.startswith("# TYPE tutor_") and not line.split()[2].endswith("_created")
    }
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {
        re.sub(r"_(total|bucket)$", "", name)
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\btutor_\w+", target["expr"])
    }

    assert len(board["panels"]) >= 7
    assert asked <= told
    assert told - asked == set(), "metrics that no panel shows"
