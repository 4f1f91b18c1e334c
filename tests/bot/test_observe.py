"""A serving process: its log, and the port that Prometheus reads."""

from __future__ import annotations

import json
import logging
import socket
import urllib.request
from collections.abc import Iterator

import pytest

from bot.observe import observed
from bot.settings import LogFormat, Settings, SettingsError


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_a_collector_gets_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with observed(Settings(log_format=LogFormat.JSON)):
        logging.getLogger("bot.x").info("A run ended: %s", "ok", extra={"wall_s": 0.25})

    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "A run ended: ok"
    assert line["levelname"] == "INFO"
    assert line["wall_s"] == 0.25


def test_people_get_lines_and_nothing_below_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    with observed(Settings(log_level="WARNING")):
        logging.getLogger("bot.x").info("unimportant")
        logging.getLogger("bot.x").warning("important")

    written = capsys.readouterr().err
    assert "WARNING bot.x: important" in written
    assert "unimportant" not in written


def test_prometheus_reads_the_metrics_while_the_process_serves_and_no_longer() -> None:
    port = free_port()
    with (
        observed(Settings(metrics_port=port)),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
    ):
        assert b"tutor_sandbox_tier" in answer.read()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_no_port_is_opened_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.observe.start_http_server", lambda *_: pytest.fail("opened a port"))
    with observed(Settings()):
        pass


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=rf"{port} cannot be opened.*TUTOR_METRICS_PORT"),
            observed(Settings(metrics_port=port)),
        ):
            pass
