"""The line to the gateway breaks: each post is still answered, and once."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from study_group import (
    CODE,
    OTHER_TRACEBACK,
    POST,
    SLUG,
    StudyGroup,
    settled,
    shown,
    study_group,
    until,
)

from bot.client import TutorBot
from bot.local.faults import ALWAYS, EventFault, FrameFault
from bot.local.opcodes import Op
from bot.local.server import LocalDiscord
from bot.locale import say
from knowledge.language import Language
from knowledge.search import Searcher


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py waits five seconds before it identifies again, and some before it reconnects."""

    async def at_once(self: TutorBot, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause."""

    monkeypatch.setattr(TutorBot, "before_identify_hook", at_once)
    monkeypatch.setattr("discord.backoff.ExponentialBackoff.delay", lambda self: 0.01)


def logins(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.text.count("has connected to Gateway")


def resumed(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.text.count("has successfully RESUMED")


async def test_posts_during_a_dropped_connection_are_answered_once(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "discord"):
        await group.local.gateway.drop()
        post = group.say(POST)
        answer = await group.answer()
        await until(lambda: resumed(caplog) == 1)

    assert answer.reference == post.id and SLUG in shown(answer)
    assert logins(caplog) == 0
    await group.silence(expected=1)


async def test_commands_during_a_dropped_connection_are_answered_once(group: StudyGroup) -> None:
    await group.local.gateway.drop()
    group.slash("run", code=CODE)

    assert SLUG in shown(await group.answer())
    await group.silence(expected=1)


async def test_a_request_to_reconnect_loses_no_post(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "discord"):
        group.local.gateway.ask_to_reconnect()
        group.say(POST)
        assert SLUG in shown(await group.answer())
        await until(lambda: resumed(caplog) == 1)

    await group.silence(expected=1)


async def test_a_session_that_may_be_resumed_later_loses_no_post(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    group.local.faults.add(FrameFault(Op.RESUME, (Op.INVALID_SESSION, True)))
    with caplog.at_level(logging.INFO, "discord"):
        await group.local.gateway.drop()
        group.say(POST)
        assert SLUG in shown(await group.answer())
        await until(lambda: resumed(caplog) == 1)

    assert logins(caplog) == 0
    await group.silence(expected=1)


async def test_after_a_session_is_lost_the_bot_logs_in_anew_and_answers(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    group.local.faults.add(FrameFault(Op.RESUME, (Op.INVALID_SESSION, False)))
    with caplog.at_level(logging.INFO, "discord"):
        await group.local.gateway.drop()
        await until(lambda: logins(caplog) == 1)
    group.say(POST)

    assert SLUG in shown(await group.answer())
    await group.silence(expected=1)


async def test_a_post_while_a_session_is_lost_is_answered_once_after_the_login(
    group: StudyGroup,
) -> None:
    await settled(group)
    group.say(POST)
    await group.answer()
    group.local.faults.add(FrameFault(Op.RESUME, (Op.INVALID_SESSION, False)))
    await group.local.gateway.drop()
    post = group.say(f"```\n{OTHER_TRACEBACK}\n```", author=group.friend)

    assert (await group.answer(2)).reference == post.id
    await group.silence(expected=2)


async def test_an_event_that_is_delivered_twice_is_answered_once(group: StudyGroup) -> None:
    group.local.faults.add(EventFault("MESSAGE_CREATE"))
    group.say(POST)

    assert SLUG in shown(await group.answer())
    await group.silence(expected=1)


async def test_a_command_that_is_delivered_twice_is_answered_once(group: StudyGroup) -> None:
    group.local.faults.add(EventFault("INTERACTION_CREATE"))
    group.slash("run", code="print(1)")

    assert say(Language.EN, "run.title.ok") in shown(await group.answer())
    await group.silence(expected=1)


async def test_when_heartbeats_are_not_acknowledged_the_bot_comes_back_and_loses_no_post(
    local: LocalDiscord,
    searcher: Searcher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    local.gateway.heartbeat_ms = 50
    with caplog.at_level(logging.INFO, "discord"):
        async with study_group(local, searcher, tmp_path / "tutor.db") as group:
            group.bot._connection.heartbeat_timeout = 0.5
            await local.gateway.drop()  # the timeout counts from the next connection on
            await until(lambda: resumed(caplog) == 1)
            local.faults.add(FrameFault(Op.HEARTBEAT, times=ALWAYS))
            await until(lambda: resumed(caplog) == 2)
            local.faults.clear()
            group.say(POST)
            assert SLUG in shown(await group.answer())
            await group.silence(expected=1)
