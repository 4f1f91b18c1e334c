"""The bot's memory outlives a restart and forgets what it must."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.store import Answered, Store
from knowledge.language import Language

ANSWERED = Answered(
    answer_id=2**62,
    channel_id=12,
    asker_id=13,
    language=Language.JA,
    post_id=14,
    slug="linear-shape",
    text="Traceback …",
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def everything_written(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.iterdir())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with Store(tmp_path / "deep" / "tutor.db", timedelta(days=30), clock) as store:
        yield store


async def test_an_answer_is_found_by_its_own_id_and_by_its_post(store: Store) -> None:
    await store.remember(ANSWERED)

    assert await store.by_answer(ANSWERED.answer_id) == ANSWERED
    assert await store.by_post(14) == (ANSWERED,)
    assert await store.by_answer(1) is None
    assert await store.by_post(1) == ()


async def test_an_answer_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    async with Store(path, timedelta(days=1)) as before:
        await before.remember(ANSWERED)
        await before.put_note("commands", "abc")
    async with Store(path, timedelta(days=1)) as after:
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
    assert old == dataclasses.replace(ANSWERED, text=None)
    assert young is not None and young.text == ANSWERED.text


async def test_an_old_text_goes_when_the_store_is_opened(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "tutor.db"
    async with Store(path, timedelta(days=30), clock) as before:
        await before.remember(ANSWERED)
    clock.now += timedelta(days=31)
    async with Store(path, timedelta(days=30), clock) as after:
        found = await after.by_answer(ANSWERED.answer_id)
    assert found is not None and found.text is None
    assert ANSWERED.text is not None
    assert ANSWERED.text.encode() not in everything_written(tmp_path)


async def test_with_zero_days_no_text_is_ever_written(tmp_path: Path) -> None:
    path = tmp_path / "tutor.db"
    async with Store(path, timedelta(0)) as store:
        await store.remember(ANSWERED)
        found = await store.by_answer(ANSWERED.answer_id)
    assert found is not None and found.text is None
    assert ANSWERED.text is not None
    assert ANSWERED.text.encode() not in everything_written(tmp_path)


async def test_many_writers_at_once_all_succeed(store: Store) -> None:
    rows = [dataclasses.replace(ANSWERED, answer_id=number) for number in range(1, 51)]
    await asyncio.gather(*(store.remember(row) for row in rows))

    assert len(await store.by_post(14)) == 50


async def test_a_note_is_replaced(store: Store) -> None:
    assert await store.note("commands") is None
    await store.put_note("commands", "one")
    await store.put_note("commands", "two")
    assert await store.note("commands") == "two"
