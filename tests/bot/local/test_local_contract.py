"""The watcher over the requests of a bot: what it finds, and that a finding fails the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from discord_requests import description

from bot.local import errors
from bot.local.call import Call
from bot.local.contract import Contract
from bot.local.model import JSON, Upload

HERE = description()
pytestmark = pytest.mark.skipif(HERE is None, reason="Discord's OpenAPI description is not here")

_MESSAGES = "/channels/{channel_id}/messages"
_CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


def watcher(report: Path | None = None) -> Contract:
    """A watcher that has seen nothing yet."""
    assert HERE is not None
    return Contract.load(HERE, report)


def sent(template: str, body: JSON | None, *files: str, method: str = "POST", **query: str) -> Call:
    """A request with these files."""
    uploads = tuple(Upload(name, b"x") for name in files)
    return Call(method, template, {"channel_id": "1"}, query, body, uploads)


@pytest.mark.parametrize(
    "call",
    [
        sent(_MESSAGES, {"content": "x", "colour": 1}),
        sent(_MESSAGES, {"content": 5}),
        sent(_MESSAGES, {"embeds": [{"titel": "x"}]}),
        sent("/channels/{channel_id}/nowhere", {}),
        sent("/users/@me/channels", None),
        sent(_MESSAGES, {"content": "x"}, wait="true"),
        sent(_MESSAGES, None, method="GET", limit="101"),
        sent(_MESSAGES, {"attachments": [{"id": 0, "filename": "a.png"}]}),
        sent(_MESSAGES, {"attachments": [{"id": 1, "filename": "a.png"}]}, "a.png"),
        sent(_MESSAGES, {"embeds": [{"image": {"url": "attachment://a.png"}}]}),
        sent(_CALLBACK, {"type": 4, "data": {"content": "x", "colour": 1}}),
        sent(_CALLBACK, {"type": 9, "data": {"title": "x", "custom_id": "y" * 101}}),
        sent(_CALLBACK, {"type": 8, "data": {"choices": [{"name": "x"}]}}),
        sent(
            "/applications/{application_id}/commands",
            [{"name": "x", "descriptoin": "y"}],
            method="PUT",
        ),
        sent("/webhooks/{webhook_id}/{webhook_token}", {"content": "x", "nonce": "1"}),
    ],
    ids=lambda call: f"{call.method} {call.body} {call.query}",
)
def test_a_request_that_breaks_the_description_is_found(call: Call) -> None:
    contract = watcher()
    contract(call)

    assert len(contract.violations) == 1


@pytest.mark.parametrize(
    "call",
    [
        sent(_MESSAGES, {"attachments": [{"id": 0, "filename": "a.png"}]}, "a.png"),
        sent(_MESSAGES, {"embeds": [{"image": {"url": "attachment://a.png"}}]}, "a.png"),
        sent(_MESSAGES, None, method="GET", limit="100", before="1"),
        sent(_CALLBACK, {"type": 5, "data": {"flags": 64}}, with_response="true"),
    ],
    ids=lambda call: f"{call.method} {call.body} {call.query}",
)
def test_a_request_as_discord_wants_it_passes(call: Call) -> None:
    contract = watcher()
    contract(call)

    assert contract.violations == []


def test_what_discord_refuses_as_wrong_is_a_violation_and_bad_luck_is_none() -> None:
    contract = watcher()
    contract.refused("POST /x", errors.unknown_channel())
    contract.refused("POST /x", errors.token_expired())
    assert contract.violations == []

    contract.refused("POST /x", errors.empty_message())
    contract.refused("POST /x", errors.too_large())
    assert len(contract.violations) == 2


_BROKEN = """
import aiohttp
from bot.local.server import LocalDiscord

async def test_a_bot_that_breaks_the_rules():
    async with LocalDiscord(port=0, page=False) as local, aiohttp.ClientSession() as session:
        channel = next(iter(local.world.channels))
        place = f"{local.url}/api/v10/channels/{channel}/messages"
        headers = {"Authorization": "Bot local"}
        async with session.post(place, json={"content": CONTENT}, headers=headers):
            pass
"""


@pytest.mark.parametrize(
    ("content", "outcome", "line"),
    [
        ('"x" * 2_001', "1 error", "1 requests to Discord validated, 1 violations"),
        ('"x" * 2_000', "1 passed", "1 requests to Discord validated, 0 violations"),
    ],
)
def test_a_violation_fails_the_test_and_the_session_ends_with_the_count(
    tmp_path: Path, content: str, outcome: str, line: str
) -> None:
    (tmp_path / "test_it.py").write_text(_BROKEN.replace("CONTENT", content), encoding="utf-8")
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "pytest", "-p", "discord_requests", "-o", "asyncio_mode=auto"]
    ended = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tests.parents[1]), str(tests)))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert outcome in ended.stdout
    assert line in ended.stdout
