"""Several processes share the guilds of one bot by shards: each guild is served by one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import discord
import pytest
import pytest_asyncio
from local_bot import ProbeBot, running, soon
from pydantic import ValidationError
from study_group import (
    POST,
    SLUG,
    StudyGroup,
    idle,
    local_discord,
    settled,
    shown,
    study_group,
    until,
)

from bot.local.call import Call
from bot.local.model import Channel, Message
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.settings import Settings
from knowledge.language import Language
from knowledge.search import Searcher

GUILDS = 4
SHARDS = 2


@pytest.fixture
def places(local: LocalDiscord) -> list[Channel]:
    """One channel in each guild; neighbours belong to different shards."""
    first = next(iter(local.world.channels.values()))
    others = [
        local.world.add_guild(GUILD_ID + (number << 22), f"group {number}", "help")[0]
        for number in range(1, GUILDS)
    ]
    return [first, *others]


@asynccontextmanager
async def replicas(
    local: LocalDiscord, searcher: Searcher, database: Path
) -> AsyncIterator[list[StudyGroup]]:
    """Two processes of the bot, as far as they know: each has one shard, both one database."""
    async with AsyncExitStack() as stack:
        groups = [
            await stack.enter_async_context(
                study_group(local, searcher, database, shard_count=SHARDS, shard_ids=[shard])
            )
            for shard in range(SHARDS)
        ]
        for group in groups:
            await settled(group)
        yield groups


@pytest_asyncio.fixture
async def pair(
    local: LocalDiscord, places: list[Channel], searcher: Searcher, tmp_path: Path
) -> AsyncIterator[list[StudyGroup]]:
    async with replicas(local, searcher, tmp_path / "tutor.db") as started:
        yield started


def overheard(replica: StudyGroup) -> list[discord.Message]:
    """What people say from now on, as far as this replica hears it."""
    heard: list[discord.Message] = []

    async def listen(message: discord.Message) -> None:
        if not message.author.bot:
            heard.append(message)

    replica.bot.add_listener(listen, "on_message")
    return heard


async def answers(group: StudyGroup, places: list[Channel]) -> list[Message]:
    """The one answer in each place."""
    await until(lambda: all(group.bot_messages(place) for place in places))
    await idle()
    found = [group.bot_messages(place) for place in places]
    assert [len(messages) for messages in found] == [1] * len(places)
    return [messages[0] for messages in found]


async def test_each_replica_hears_its_own_guilds_only_and_none_is_answered_twice(
    pair: list[StudyGroup], places: list[Channel]
) -> None:
    heard = [overheard(replica) for replica in pair]
    posts = [pair[0].say(POST, channel=place) for place in places]
    given = await answers(pair[0], places)
    home = [(place.guild_id or 0) >> 22 for place in places]
    for shard in range(SHARDS):
        own_guilds = [
            place.guild_id
            for place, number in zip(places, home, strict=True)
            if number % SHARDS == shard
        ]
        assert sorted(message.guild.id for message in heard[shard] if message.guild) == own_guilds
        assert sorted(guild.id for guild in pair[shard].bot.guilds) == own_guilds
    assert [answer.reference for answer in given] == [post.id for post in posts]


async def test_a_button_reaches_the_replica_of_its_guild(
    pair: list[StudyGroup], places: list[Channel]
) -> None:
    for place in places:
        pair[0].say(POST, channel=place)
    given = await answers(pair[0], places)
    for answer in given:
        pair[0].press(answer, "tutor:example")
    await until(lambda: all(len(pair[0].bot_messages(place)) == 2 for place in places))
    await idle()
    # The two runs of an example, for each of its guilds: by the replica that has the guild.
    assert [len(replica.sandbox.ran) for replica in pair] == [GUILDS // SHARDS * 2] * SHARDS


async def test_a_direct_message_is_answered_by_the_first_shard_alone(
    pair: list[StudyGroup], places: list[Channel]
) -> None:
    heard = [overheard(replica) for replica in pair]
    private = pair[0].world.direct_channel(pair[0].learner)
    post = pair[0].say(POST, channel=private)
    await answers(pair[0], [private])
    assert [[message.id for message in own] for own in heard] == [[post.id], []]


async def test_after_the_shards_are_parted_anew_old_answers_are_known_and_their_buttons_work(
    local: LocalDiscord, places: list[Channel], searcher: Searcher, tmp_path: Path
) -> None:
    async with replicas(local, searcher, tmp_path / "tutor.db") as pair:
        for place in places:
            pair[0].say(POST, channel=place)
        before = await answers(pair[0], places)
    async with study_group(local, searcher, tmp_path / "tutor.db", shard_count=1) as alone:
        await settled(alone)
        assert await answers(alone, places) == before
        alone.press(before[1], "tutor:show")
        await until(lambda: len(alone.bot_messages(places[1])) == 2)
        assert alone.tutor.explain(SLUG, Language.EN).title in shown(
            alone.bot_messages(places[1])[1]
        )


async def test_of_several_replicas_one_sends_the_commands(
    local: LocalDiscord, places: list[Channel], searcher: Searcher, tmp_path: Path
) -> None:
    calls: list[Call] = []
    local.rest.observers.append(calls.append)
    async with replicas(local, searcher, tmp_path / "tutor.db"):
        pass
    sent = [call for call in calls if call.method == "PUT" and call.template.endswith("/commands")]
    assert len(sent) == 1 and local.world.commands


async def test_without_settings_the_bot_has_as_many_shards_as_discord_advises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with local_discord(monkeypatch) as local:
        local.gateway.shards = 3
        others = [
            local.world.add_guild(GUILD_ID + (number << 22), f"group {number}", "help")[0]
            for number in range(1, 4)
        ]
        async with running(local, monkeypatch, ProbeBot()) as bot:
            assert sorted(bot.shards) == [0, 1, 2]
            for place in others:
                local.world.say(local.world.people[0], place, str(place.guild_id))
            heard = [await soon(bot.heard) for _ in others]
            assert bot.heard.empty()
    assert sorted(int(message.content) for message in heard) == [one.guild_id for one in others]
    assert all(int(message.content) == message.guild.id for message in heard if message.guild)


@pytest.mark.parametrize(
    ("listed", "ids"), [("0-1", (0, 1)), ("3,0", (0, 3)), ("0-1, 3", (0, 1, 3)), ("", None)]
)
def test_the_shards_of_a_process_are_numbers_and_ranges(
    monkeypatch: pytest.MonkeyPatch, listed: str, ids: tuple[int, ...] | None
) -> None:
    monkeypatch.setenv("TUTOR_SHARD_COUNT", "4")
    monkeypatch.setenv("TUTOR_SHARD_IDS", listed)
    assert Settings().shard_ids == ids


@pytest.mark.parametrize(
    ("count", "listed", "word"),
    [
        ("4", "4", "last is 3"),
        ("4", "two", "like"),
        ("4", "-1", "like"),
        ("4", "2-1", "ends before"),
        ("", "0", "TUTOR_SHARD_COUNT"),
    ],
)
def test_shards_that_cannot_be_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, count: str, listed: str, word: str
) -> None:
    monkeypatch.setenv("TUTOR_SHARD_COUNT", count)
    monkeypatch.setenv("TUTOR_SHARD_IDS", listed)
    with pytest.raises(ValidationError, match=word) as refused:
        Settings()
    assert [fault["loc"] for fault in refused.value.errors()] == [("shard_ids",)]


def test_the_number_of_shards_is_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTOR_SHARD_COUNT", "0")
    with pytest.raises(ValidationError, match="shard_count"):
        Settings()
