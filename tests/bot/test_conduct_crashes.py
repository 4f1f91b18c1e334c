"""The bot is killed between any two steps: no answer is lost, and none comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from sqlalchemy import URL
from study_group import (
    OTHER_TRACEBACK,
    POST,
    SLUG,
    StudyGroup,
    idle,
    settled,
    shown,
    study_group,
    until,
)

from bot.catch_up import CatchUp
from bot.guilds import GuildSettings, Place
from bot.local.model import Message
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.store import Store
from knowledge.search import Searcher

Point = tuple[str, str]
"""What is about to happen or has just happened: ("before" or "after", the step)."""


def points(*steps: str) -> list[Any]:
    return [
        pytest.param((when, step), id=f"{when} {step}")
        for step in steps
        for when in ("before", "after")
    ]


class Killed:
    """Stops everything at one point, for good."""

    def __init__(self, group: StudyGroup, point: Point) -> None:
        self.reached = asyncio.Event()
        when, step = point
        owner: Any = group.bot.desk.store if hasattr(Store, step) else group.bot.http
        done: Callable[..., Any] = getattr(owner, step)

        async def stopping(*given: Any, **named: Any) -> Any:
            if when == "after":
                await done(*given, **named)
            self.reached.set()
            await asyncio.Event().wait()

        setattr(owner, step, stopping)


async def killed(group: StudyGroup, point: Point, act: Callable[[], Any]) -> None:
    """Let the bot work on something until it is killed."""
    stop = Killed(group, point)
    act()
    async with asyncio.timeout(30):
        await stop.reached.wait()
    for task in asyncio.all_tasks():
        if task.get_name().startswith("discord.py: on_"):
            task.cancel()
    await idle()


@pytest.fixture
def nothing_written_at_the_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Called when the bot is about to be killed; what is called again undoes it."""
    with monkeypatch.context() as patched:

        async def nothing(self: CatchUp) -> None:
            pass

        yield lambda: patched.setattr(CatchUp, "write_down", nothing)


class Restarts:
    """A group whose bot is killed, and started again on the same memory."""

    def __init__(
        self, local: LocalDiscord, searcher: Searcher, database: Path | URL, at_the_end: Any
    ) -> None:
        self.local, self.searcher, self.database = local, searcher, database
        self.at_the_end = at_the_end

    def start(self) -> Any:
        return study_group(self.local, self.searcher, self.database)


@pytest.fixture
def restarts(
    local: LocalDiscord,
    searcher: Searcher,
    tmp_path: Path,
    nothing_written_at_the_end: Callable[[], None],
) -> Restarts:
    return Restarts(local, searcher, tmp_path / "tutor.db", nothing_written_at_the_end)


def answers_of(group: StudyGroup, post: Message) -> list[Message]:
    """The bot's messages about a post, wherever they stand."""
    places = [post.channel]
    if post.id in group.world.channels:
        places.append(group.world.channels[post.id])
    return [message for place in places for message in group.bot_messages(place)]


async def one_answer(group: StudyGroup, post: Message) -> Message:
    """The one answer to a post, when the bot has come to rest; it goes away with the post."""
    await settled(group)
    await until(lambda: len(answers_of(group, post)) > 0)
    await idle()
    (answer,) = answers_of(group, post)
    store = group.bot.desk.store
    assert [known.answer_id for known in await store.by_post(post.id)] == [answer.id]
    assert await store.unfinished() == ()
    return answer


@pytest.mark.parametrize("point", points("begin", "send_message", "finish"))
async def test_a_post_gets_exactly_one_answer(restarts: Restarts, point: Point) -> None:
    async with restarts.start() as before:
        await settled(before)
        await killed(before, point, lambda: before.say(POST))
        post = before.world.messages(before.help)[0]
        restarts.at_the_end()
    async with restarts.start() as after:
        answer = await one_answer(after, post)
        assert SLUG in shown(answer) and answer.reference == post.id

        after.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})
        await until(lambda: SLUG not in shown(answer))
        after.world.delete(post)
        await until(lambda: answers_of(after, post) == [])
        await idle()
        assert await after.bot.desk.store.by_post(post.id) == ()


@pytest.mark.parametrize(
    "point", points("begin", "start_thread_with_message", "send_message", "finish")
)
async def test_a_post_gets_exactly_one_answer_in_exactly_one_thread(
    restarts: Restarts, point: Point
) -> None:
    async with restarts.start() as before:
        await settled(before)
        await before.bot.desk.conduct.guilds.put(GUILD_ID, GuildSettings(place=Place.THREAD))
        await killed(before, point, lambda: before.say(POST))
        post = before.world.messages(before.help)[0]
        restarts.at_the_end()
    async with restarts.start() as after:
        answer = await one_answer(after, post)

        assert SLUG in shown(answer)
        assert answer.channel.id == post.id and answer.channel.parent_id == post.channel.id


@pytest.mark.parametrize("point", points("edit_message", "remember"))
async def test_an_edit_changes_the_one_answer(restarts: Restarts, point: Point) -> None:
    async with restarts.start() as before:
        await settled(before)
        post = before.say(POST)
        first = await before.answer()
        edit = {"content": f"```\n{OTHER_TRACEBACK}\n```"}
        await killed(before, point, lambda: before.world.edit(post, edit))
        restarts.at_the_end()
    async with restarts.start() as after:
        await settled(after)
        await until(lambda: SLUG not in shown(first))

        assert await one_answer(after, post) is first
        (known,) = await after.bot.desk.store.by_post(post.id)
        assert known.slug is not None and known.slug != SLUG


@pytest.mark.parametrize("point", points("delete_message", "forget"))
async def test_a_deletion_takes_the_answer_along(restarts: Restarts, point: Point) -> None:
    async with restarts.start() as before:
        await settled(before)
        post = before.say(POST)
        await before.answer()
        await killed(before, point, lambda: before.world.delete(post))
        restarts.at_the_end()
    async with restarts.start() as after:
        await settled(after)

        assert answers_of(after, post) == []
        assert await after.bot.desk.store.by_post(post.id) == ()


async def test_a_post_that_is_deleted_after_a_crash_leaves_no_answer(restarts: Restarts) -> None:
    async with restarts.start() as before:
        await settled(before)
        await killed(before, ("after", "send_message"), lambda: before.say(POST))
        post = before.world.messages(before.help)[0]
        restarts.at_the_end()
    before.world.delete(post)
    async with restarts.start() as after:
        await settled(after)

        assert answers_of(after, post) == []
        assert await after.bot.desk.store.unfinished() == ()


async def test_an_answer_is_found_again_when_discord_has_forgotten_its_nonce(
    restarts: Restarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.local.world.World.same", lambda *_: None)
    async with restarts.start() as before:
        await settled(before)
        await killed(before, ("after", "send_message"), lambda: before.say(POST))
        post = before.world.messages(before.help)[0]
        restarts.at_the_end()
    async with restarts.start() as after:
        assert (await one_answer(after, post)).reference == post.id


async def test_an_answer_in_a_direct_message_is_neither_lost_nor_doubled(
    restarts: Restarts,
) -> None:
    async with restarts.start() as before:
        await settled(before)
        direct = before.world.direct_channel(before.learner)
        ask = lambda: before.say(POST, channel=direct)  # noqa: E731
        await killed(before, ("after", "send_message"), ask)
        post = before.world.messages(direct)[0]
        restarts.at_the_end()
    async with restarts.start() as after:
        assert (await one_answer(after, post)).reference == post.id


async def test_on_postgresql_an_answer_survives_a_crash_just_as_well(
    local: LocalDiscord,
    searcher: Searcher,
    postgres: Postgres,
    nothing_written_at_the_end: Callable[[], None],
) -> None:
    async with postgres.database() as url:
        restarts = Restarts(local, searcher, url, nothing_written_at_the_end)
        async with restarts.start() as before:
            await settled(before)
            await killed(before, ("after", "send_message"), lambda: before.say(POST))
            post = before.world.messages(before.help)[0]
            restarts.at_the_end()
        async with restarts.start() as after:
            answer = await one_answer(after, post)
            after.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})
            await until(lambda: SLUG not in shown(answer))
