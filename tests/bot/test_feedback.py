"""👍 and 👎 under an answer: one vote a person, and what it really was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from postgres import Postgres
from sqlalchemy import URL, select
from study_group import CODE, POST, SLUG, TRACEBACK, StudyGroup, idle, labels, until

from bot.database import Database
from bot.learned import Gap, Learned, Vote
from bot.local.world import GUILD_ID
from bot.locale import say
from bot.records import VoteRecord
from knowledge.language import Language

VOTE = Vote(2**62, 7, SLUG, Language.JA, helpful=True, guild_id=5)
GAP = Gap(2**61, 5, 9, Language.EN, "it fails", "RuntimeError: flux", answer_id=2**62)


async def votes(group: StudyGroup) -> list[VoteRecord]:
    async with group.bot.desk.store.database.session() as session:
        return list((await session.scalars(select(VoteRecord))).all())


async def kept(group: StudyGroup) -> tuple[Gap, ...]:
    return await group.bot.desk.learned.gaps(GUILD_ID)


@pytest.mark.parametrize("language", Language)
async def test_the_buttons_stand_in_a_row_of_their_own(
    group: StudyGroup, language: Language
) -> None:
    group.slash("explain", text=POST, locale=language.value)
    answer = await group.answer()

    assert [len(row["components"]) for row in answer.components] == [5, 2]
    assert labels(answer)[-2:] == [say(language, f"button.{vote}") for vote in ("up", "down")]


async def test_a_vote_is_thanked_for_alone_and_kept_with_its_entry(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    thanks = await group.told(group.press(answer, "tutor:vote:up", user=group.friend, locale="ja"))

    assert thanks.ephemeral and thanks.content == say(Language.JA, "vote.thanks.up")
    [vote] = await votes(group)
    assert (vote.answer_id, vote.voter_id) == (answer.id, group.friend.id)
    assert (vote.slug, vote.language, vote.guild_id) == (SLUG, "en", GUILD_ID)
    assert vote.helpful and vote.remark is None


async def test_a_vote_can_be_changed_and_counts_once(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    for vote in ("up", "down", "up", "down"):
        pressed = group.press(answer, f"tutor:vote:{vote}")
        await until(lambda pressed=pressed: pressed.phase.value != "waiting")
        await idle()

    [only] = await votes(group)
    assert not only.helpful
    assert await group.bot.desk.learned.tally(GUILD_ID) == (0, 1)


async def test_a_remark_is_kept_redacted(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    sent = await group.fill_fields(
        group.press(answer, "tutor:vote:down"), text="a path: /home/somebody/labels.csv"
    )
    thanks = await group.told(sent)

    assert thanks.ephemeral and thanks.content == say(Language.EN, "vote.thanks.down")
    assert [vote.remark for vote in await votes(group)] == ["a path: /home/[user]/labels.csv"]


async def test_without_permission_no_word_of_the_post_is_kept(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    await group.told(await group.fill_fields(group.press(answer, "tutor:vote:down"), text=""))

    assert await kept(group) == ()


async def test_with_permission_the_post_is_kept_until_the_vote_is_taken_back(
    group: StudyGroup,
) -> None:
    await group.allow(store_posts=True)
    secret = "hf_" + "AbCd1234" * 4
    group.say(f"{POST}\nmy token is {secret}")
    answer = await group.answer()
    for user in (group.friend, group.learner):
        pressed = group.press(answer, "tutor:vote:down", user=user)
        await group.told(await group.fill_fields(pressed, text="the labels"))

    [gap] = await kept(group)
    assert gap.asker_id == group.learner.id and gap.remarks == ("the labels", "the labels")
    assert gap.error is not None and "5x11 and 7x3" in gap.error
    assert CODE in gap.text and secret not in gap.text

    for user, left in ((group.friend, 1), (group.learner, 0)):
        await group.told(group.press(answer, "tutor:vote:up", user=user))
        assert len(await kept(group)) == left


async def test_in_direct_messages_nobody_is_asked_for_more(group: StudyGroup) -> None:
    direct = group.world.direct_channel(group.learner)
    group.say(TRACEBACK, channel=direct)
    answer = await group.answer(1, direct)
    pressed = group.press(answer, "tutor:vote:down")
    thanks = await group.told(pressed)

    assert pressed.modal is None and thanks.content == say(Language.EN, "vote.thanks.down")
    assert [vote.guild_id for vote in await votes(group)] == [None]


# -- how they are kept


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres
) -> AsyncIterator[Database]:
    async def opened(address: Path | URL) -> Database:
        found = Database(address)
        await found.open()
        return found

    if request.param == "sqlite":
        found = await opened(tmp_path / "tutor.db")
        yield found
        await found.close()
    else:
        async with postgres.database() as url:
            found = await opened(url)
            yield found
            await found.close()


async def test_old_posts_and_remarks_go_and_votes_stay(database: Database) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    learned = Learned(database, timedelta(days=30), clock=lambda: now)
    await learned.vote(Vote(2**62, 7, SLUG, Language.JA, helpful=False, guild_id=5))
    await learned.remark(2**62, 7, "the labels")
    await learned.note(GAP)
    assert [gap.remarks for gap in await learned.gaps(5)] == [("the labels",)]

    now += timedelta(days=29)
    assert await learned.forget_old() == 0
    now += timedelta(days=1)
    assert await learned.forget_old() == 1
    assert await learned.gaps(5) == ()
    assert await learned.tally(5) == (0, 1)
    async with database.session() as session:
        assert (await session.scalars(select(VoteRecord.remark))).all() == [None]


async def test_a_full_server_forgets_its_oldest_post(database: Database) -> None:
    moments = iter(range(100))
    learned = Learned(
        database,
        timedelta(days=30),
        most=3,
        clock=lambda: datetime.fromtimestamp(next(moments), UTC),
    )
    for number in (1, 2, 3, 1, 4):
        await learned.note(Gap(number, 5, 9, Language.EN, f"post {number}"))
    await learned.note(Gap(77, 6, 9, Language.EN, "another server"))

    assert [gap.source_id for gap in await learned.gaps(5)] == [4, 1, 3]
    assert [gap.source_id for gap in await learned.gaps(6)] == [77]


async def test_an_operator_who_keeps_no_texts_keeps_none_of_these(database: Database) -> None:
    learned = Learned(database, timedelta(0))
    await learned.vote(VOTE)
    await learned.remark(VOTE.answer_id, VOTE.voter_id, "the labels")
    await learned.note(GAP)

    assert await learned.gaps(5) == ()
    assert await learned.tally(5) == (1, 0)
