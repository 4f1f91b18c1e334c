"""One pool per kind of walls for all attacks, and a record of what became of each attack.

With TUTOR_ATTACK_OUTCOMES=FILE, a line of JSON is appended for each attack: its test, the walls,
the outcome, and where it ran (TUTOR_ATTACK_PLACE, `host` when not set). tools/security_table.py
reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from attacker import Target, Unavailable, Ward, guarding

_OUTCOMES = {
    "D": "denied, and the run goes on",
    "K": "killed with that exact status",
    "C": "contained, gone afterwards",
    "R": "harmless when shown",
    "E": "an ordinary Python error",
}
_STRONG = (Ward.STRONG, Ward.UNPRIVILEGED)

Guard = Callable[[Ward], Awaitable[Target]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guard() -> AsyncIterator[Guard]:
    """Gives the pool behind the walls asked for, started once; skips where there can be none."""
    started: dict[Ward, Target | str] = {}
    async with AsyncExitStack() as stack:

        async def get(ward: Ward) -> Target:
            if ward not in started:
                try:
                    started[ward] = await stack.enter_async_context(guarding(ward))
                except Unavailable as problem:
                    started[ward] = str(problem)
            found = started[ward]
            if isinstance(found, str):
                pytest.skip(found)
            return found

        yield get


@pytest_asyncio.fixture(loop_scope="session", params=list(Ward), ids=str)
async def any_tier(request: pytest.FixtureRequest, guard: Guard) -> Target:
    """Each kind of walls in turn."""
    return await guard(request.param)


@pytest_asyncio.fixture(loop_scope="session", params=_STRONG, ids=str)
async def strong(request: pytest.FixtureRequest, guard: Guard) -> Target:
    """The strong tier in turn, for attacks on what only it has."""
    return await guard(request.param)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known that each attack has, and the GPU where these tests stand alone."""
    config.pluginmanager.import_plugin("tests.attacks.gpu_parts")
    about = "; ".join(f"{letter}: {words}" for letter, words in _OUTCOMES.items())
    config.addinivalue_line(
        "markers", f"outcome(letter, floor=letter): what becomes of an attack. {about}"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse an attack without an outcome: the table would have a hole."""
    for item in items:
        if item.path.parent == Path(__file__).parent and _promised(item) is None:
            raise pytest.UsageError(f"{item.nodeid} has no outcome mark")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:
    """Note what became of an attack."""
    report = yield
    path = os.environ.get("TUTOR_ATTACK_OUTCOMES")
    mine = item.path.parent == Path(__file__).parent
    if path and mine and (report.when == "call" or not report.passed):
        ward = _ward(item)
        line = {
            "test": getattr(item, "originalname", item.name),
            "file": item.path.name,
            "walls": ward.value if ward else None,
            "outcome": _promised(item) if report.passed else report.outcome,
            "place": os.environ.get("TUTOR_ATTACK_PLACE", "host"),
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return report


def _ward(item: pytest.Item) -> Ward | None:
    """The walls of an attack; None where it needs none."""
    call = getattr(item, "callspec", None)
    found = [value for value in call.params.values() if isinstance(value, Ward)] if call else []
    return found[0] if found else None


def _promised(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("outcome")
    if mark is None:
        return None
    letter = mark.args[0]
    if _ward(item) is Ward.FLOOR:
        letter = mark.kwargs.get("floor", letter)
    return letter if letter in _OUTCOMES else None
