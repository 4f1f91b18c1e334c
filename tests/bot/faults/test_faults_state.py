"""The bot's own database fails: what the person sees then."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from study_group import POST, SLUG, TRACEBACK, StudyGroup, idle, shown

from bot.locale import say
from knowledge.language import Language

OUT_OF_REACH = say(Language.EN, "trouble.database")


@pytest.fixture
def unreachable(group: StudyGroup, monkeypatch: pytest.MonkeyPatch) -> StudyGroup:
    """A group whose bot has lost its database. It was there while the bot started."""

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("SELECT", {}, ConnectionRefusedError("no database there"))

    monkeypatch.setattr(group.bot.desk.store, "_session", fail)
    monkeypatch.setattr(fail, "begin", fail, raising=False)
    return group


async def test_an_answer_stays_when_it_cannot_be_written_down(
    group: StudyGroup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "tutor.db")) as database:
        database.execute("DROP TABLE answers")
    with caplog.at_level(logging.INFO):
        group.slash("explain", text=f"my password is tulip\n{TRACEBACK}")
        answer = await group.answer()
        await idle()

    assert SLUG in shown(answer)
    assert [*group.world.messages(group.help)] == [answer]
    assert "no such table" in caplog.text and "tulip" not in caplog.text


async def test_somebody_who_asked_is_told_when_the_database_is_out_of_reach(
    unreachable: StudyGroup,
) -> None:
    unreachable.say(f"<@{unreachable.world.bot.id}> {POST}")

    assert (await unreachable.answer()).content == OUT_OF_REACH


async def test_a_button_says_so_when_the_database_is_out_of_reach(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    group.say(POST)
    answer = await group.answer()
    request.getfixturevalue("unreachable")
    group.press(answer, "tutor:confirm")

    assert (await group.answer(2)).content == OUT_OF_REACH
