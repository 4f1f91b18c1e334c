"""A pytest plugin: every request that a bot sends in these tests is held against Discord's own
description of its API, and a violation fails the test.

Works through the environment, so that it also reaches bots in processes of their own. A test that
breaks the description on purpose is marked `refused_by_discord`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

MARK = "refused_by_discord"
_DESCRIPTION, _REPORT = "TUTOR_DISCORD_OPENAPI", "TUTOR_DISCORD_REPORT"
_BESIDE = Path(__file__).parents[3] / "shared" / "discord-openapi.json"


def description() -> Path | None:
    """Discord's description of its API, where it is at hand."""
    path = Path(os.environ.get(_DESCRIPTION) or _BESIDE)
    return path if path.exists() else None


class DiscordRequests:
    """Counts what was validated, and finds what was wrong, in the report that all bots write."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._read = 0
        self.checked = 0
        self.violations: list[str] = []

    def news(self) -> list[str]:
        """The violations that were reported since the last call."""
        if not self._report.exists():
            return []
        with self._report.open(encoding="utf-8") as report:
            report.seek(self._read)
            lines = [json.loads(line) for line in report.readlines()]
            self._read = report.tell()
        self.checked += sum(line.get("checked", 0) for line in lines)
        return [line["violation"] for line in lines if "violation" in line]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """After the fixtures, too, are gone: nothing of this test may have broken the rules."""
        yield
        found = self.news()
        if found and item.get_closest_marker(MARK) is None:
            self.violations += found
            pytest.fail("the bot broke Discord's rules:\n" + "\n".join(found), pytrace=False)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say at the end how many requests were held against the description."""
        self.violations += self.news()
        terminalreporter.write_line(
            f"{self.checked} requests to Discord validated, {len(self.violations)} violations"
        )


class NoDescription:
    """Says at the end that nothing could be validated."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Called by pytest."""
        terminalreporter.write_line(
            "requests to Discord not validated: its OpenAPI description is absent "
            f"({_DESCRIPTION} is its path)"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Let every local Discord that is started from here watch its bot."""
    config.addinivalue_line("markers", f"{MARK}: sends what Discord refuses, on purpose")
    path = description()
    if path is None:
        config.pluginmanager.register(NoDescription())
        return
    folder = tempfile.TemporaryDirectory(prefix="discord-requests-")
    config.add_cleanup(folder.cleanup)
    report = Path(folder.name) / "report.jsonl"
    os.environ |= {_DESCRIPTION: str(path), _REPORT: str(report)}
    config.pluginmanager.register(DiscordRequests(report))
