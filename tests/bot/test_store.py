"""The bot's memory outlives a restart and forgets what it must."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import discord
import pytest
import pytest_asyncio
from postgres import Postgres
from sqlalchemy import URL

from bot.store import Answered, Begun, Correction, Store
from knowledge.language import Language

ANSWERED = Answered(
    answer_id=2**62,
    channel_id=12,
    asker_id=13,
    language=Language.JA,
    post_id=14,
    slug="linear-shape",
    text="Traceback …",
    guild_id=2**60,
    problem="a" * 64,
    points_to=2**61,
    as_of=datetime(2026, 1, 1, 12, 30, 0, 123_000, tzinfo=UTC),
    post_channel_id=11,
    parts=(13, 14),
    correction=Correction.of("RuntimeErr0r", "RuntimeError: as corrected"),
)
POST = Begun(post_id=14, channel_id=12, asker_id=13, guild_id=2**60)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def everything_written(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def address(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres
) -> AsyncIterator[Path | URL]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield tmp_path / "deep" / "tutor.db"
    else:
        async with postgres.database() as url:
            yield url


@pytest_asyncio.fixture
async def store(address: Path | URL, clock: Clock) -> AsyncIterator[Store]:
    async with Store(address, timedelta(days=30), clock) as store:
        yield store


async def test_an_answer_is_found_by_its_own_id_and_by_its_post(store: Store) -> None:
    await store.remember(ANSWERED)

    assert await store.by_answer(ANSWERED.answer_id) == ANSWERED
    assert await store.by_post(14) == (ANSWERED,)
    assert await store.by_answer(1) is None
    assert await store.by_post(1) == ()


async def test_an_answer_outlives_a_restart(address: Path | URL) -> None:
    async with Store(address, timedelta(days=1)) as before:
        await before.remember(ANSWERED)
        await before.put_note("commands", "abc")
    async with Store(address, timedelta(days=1)) as after:
        assert await after.by_answer(ANSWERED.answer_id) == ANSWERED
        assert await after.note("commands") == "abc"


async def test_remembering_again_replaces(store: Store) -> None:
    await store.remember(ANSWERED)
    changed = dataclasses.replace(ANSWERED, slug=None, language=Language.ZH)
    await store.remember(changed)

    assert await store.by_post(14) == (changed,)


async def test_all_answers_to_one_post_come_oldest_first(store: Store) -> None:
    for answer_id in (30, 10, 20):
        await store.remember(dataclasses.replace(ANSWERED, answer_id=answer_id))

    assert [answered.answer_id for answered in await store.by_post(14)] == [10, 20, 30]


async def test_an_answer_is_found_by_each_message_that_it_answers(store: Store) -> None:
    first, last = (discord.utils.time_snowflake(NOW + timedelta(minutes=at)) for at in (0, 5))
    joined = dataclasses.replace(ANSWERED, post_id=last, parts=(first, last))
    await store.remember(joined)
    await store.remember(dataclasses.replace(ANSWERED, answer_id=1, post_id=last, parts=()))

    assert await store.with_part(first, timedelta(minutes=6)) == (joined,)
    assert await store.with_part(last, timedelta(0)) == (joined,)
    assert await store.with_part(first, timedelta(minutes=4)) == ()
    assert await store.with_part(first + 1, timedelta(minutes=6)) == ()


def test_a_correction_is_for_the_picture_in_which_the_same_was_read() -> None:
    correction = Correction.of("lndexError", "IndexError")

    assert correction.applied_to("lndexError") == "IndexError"
    assert correction.applied_to("KeyError") == "KeyError"


async def test_a_forgotten_answer_is_gone_and_forgetting_twice_is_harmless(store: Store) -> None:
    await store.remember(ANSWERED)
    await store.forget(ANSWERED.answer_id)
    await store.forget(ANSWERED.answer_id)

    assert await store.by_answer(ANSWERED.answer_id) is None


async def test_texts_go_after_their_days_and_the_rest_stays(store: Store, clock: Clock) -> None:
    await store.remember(ANSWERED)
    clock.now += timedelta(days=29)
    await store.remember(dataclasses.replace(ANSWERED, answer_id=99))
    clock.now += timedelta(days=2)

    assert await store.forget_old_texts() == 1

    old = await store.by_answer(ANSWERED.answer_id)
    young = await store.by_answer(99)
    assert old == dataclasses.replace(ANSWERED, text=None, correction=None)
    assert young is not None and young.text == ANSWERED.text


async def test_an_old_text_goes_when_the_store_is_opened(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "tutor.db"
    async with Store(path, timedelta(days=30), clock) as before:
        await before.remember(ANSWERED)
    clock.now += timedelta(days=31)
    async with Store(path, timedelta(days=30), clock) as after:
        found = await after.by_answer(ANSWERED.answer_id)
    assert found == dataclasses.replace(ANSWERED, text=None, correction=None)
    for text in (b"Traceback", b"as corrected"):
        assert text not in everything_written(tmp_path)


async def test_with_zero_days_no_text_is_ever_written(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    async with Store(path, timedelta(0)) as store:
        await store.remember(ANSWERED)
        found = await store.by_answer(ANSWERED.answer_id)
    assert found == dataclasses.replace(ANSWERED, text=None, correction=None)
    for text in (b"Traceback", b"as corrected"):
        assert text not in everything_written(tmp_path)


async def test_many_writers_at_once_all_succeed(store: Store) -> None:
    rows = [dataclasses.replace(ANSWERED, answer_id=number) for number in range(1, 51)]
    await asyncio.gather(*(store.remember(row) for row in rows))

    assert len(await store.by_post(14)) == 50


async def test_a_note_is_replaced(store: Store) -> None:
    assert await store.note("commands") is None
    await store.put_note("commands", "one")
    await store.put_note("commands", "two")
    assert await store.note("commands") == "two"


async def test_a_post_that_was_begun_is_unfinished_until_its_answer_is_known(store: Store) -> None:
    assert await store.begin(POST)
    assert await store.unfinished() == (POST,)

    await store.finish(POST.post_id, ANSWERED)

    assert await store.unfinished() == ()
    assert await store.by_post(POST.post_id) == (ANSWERED,)


async def test_a_post_that_was_answered_is_not_begun_again(store: Store) -> None:
    assert await store.begin(POST)
    assert await store.begin(POST)  # after a crash
    await store.finish(POST.post_id)

    assert not await store.begin(POST)
    assert await store.is_done(POST.post_id)


async def test_a_post_is_begun_anew_once_it_was_reopened(store: Store) -> None:
    await store.begin(POST)
    await store.finish(POST.post_id)
    await store.reopen(POST.post_id)

    assert not await store.is_done(POST.post_id)
    assert await store.begin(POST)


async def test_old_posts_are_forgotten(store: Store, clock: Clock) -> None:
    await store.begin(POST)
    clock.now += timedelta(days=8)
    await store.forget_old_posts()

    assert await store.unfinished() == ()


async def test_the_first_answer_to_a_problem_is_found_for_that_person_in_that_guild(
    store: Store,
) -> None:
    first = dataclasses.replace(ANSWERED, points_to=None)
    await store.remember(first)
    await store.remember(dataclasses.replace(ANSWERED, answer_id=5, post_id=13))  # a pointer

    async def found(
        guild_id: int = 2**60, asker_id: int = 13, problem: str = "a" * 64, after: int = 10
    ) -> Answered | None:
        return await store.first_of_problem(guild_id, asker_id, problem, after=after, before=20)

    assert await found() == first
    assert await found(guild_id=1) is None
    assert await found(asker_id=1) is None
    assert await found(problem="b") is None
    assert await found(after=14) is None
    assert await store.pointing_to(2**61) == (
        dataclasses.replace(ANSWERED, answer_id=5, post_id=13),
    )


async def test_how_far_channels_were_read_outlives_a_restart(address: Path | URL) -> None:
    async with Store(address, timedelta(days=1)) as before:
        await before.put_seen({1: 10, 2: 20})
        await before.put_seen({1: 2**62})
    async with Store(address, timedelta(days=1)) as after:
        assert await after.seen() == {1: 2**62, 2: 20}


async def test_answers_since_a_moment_are_those_to_posts(store: Store, clock: Clock) -> None:
    await store.remember(dataclasses.replace(ANSWERED, answer_id=1))
    clock.now += timedelta(hours=2)
    recent = dataclasses.replace(ANSWERED, answer_id=2)
    await store.remember(recent)
    await store.remember(dataclasses.replace(ANSWERED, answer_id=3, post_id=None))

    assert await store.answers_since(clock.now - timedelta(hours=1)) == (recent,)
