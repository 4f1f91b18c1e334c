"""What happens while the bot is away is caught up, within bounds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from study_group import (
    OTHER_TRACEBACK,
    POST,
    SLUG,
    idle,
    settled,
    shown,
    study_group,
    until,
)

from bot.catch_up import Window
from bot.guilds import GuildSettings
from bot.local import errors
from bot.local.faults import ALWAYS, RequestFault
from bot.local.model import Channel, Message
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.seen import Seen
from knowledge.search import Searcher

EDITED = {"content": f"```\n{OTHER_TRACEBACK}\n```"}


class Days:
    """A group whose bot sleeps now and then."""

    def __init__(self, local: LocalDiscord, searcher: Searcher, database: Path) -> None:
        self.local, self.searcher, self.database = local, searcher, database

    def awake(self, window: Window | None = None, *, message_content: bool = True) -> Any:
        return study_group(
            self.local,
            self.searcher,
            self.database,
            window=window,
            message_content=message_content,
        )

    @property
    def direct(self) -> Channel:
        """The conversation of the learner with the bot."""
        return self.local.world.direct_channel(self.local.world.people[0])

    def say(self, text: str, channel: Channel | None = None) -> Message:
        """Post while nobody listens."""
        world = self.local.world
        place = channel or next(iter(world.channels.values()))
        return world.say(world.people[0], place, text)


@pytest.fixture
def days(local: LocalDiscord, searcher: Searcher, tmp_path: Path) -> Days:
    return Days(local, searcher, tmp_path / "tutor.db")


async def first_day(days: Days) -> tuple[Message, Message]:
    """A post and its answer, before the bot goes to sleep."""
    async with days.awake() as group:
        await settled(group)
        post = group.say(POST)
        return post, await group.answer()


async def test_a_post_of_the_meantime_is_answered(days: Days) -> None:
    await first_day(days)
    post = days.say(POST.replace("5x11", "6x11"))
    async with days.awake() as group:
        await settled(group)

        assert (await group.answer(2)).reference == post.id
        assert len(group.bot_messages()) == 2


async def test_an_edit_of_the_meantime_changes_the_answer(days: Days) -> None:
    post, answer = await first_day(days)
    days.local.world.edit(post, EDITED)
    async with days.awake() as group:
        await settled(group)

        assert "[2, 3]" in shown(answer) and SLUG not in shown(answer)
        assert group.bot_messages() == [answer]


async def test_a_deletion_of_the_meantime_takes_the_answer_along(days: Days) -> None:
    post, _ = await first_day(days)
    days.local.world.delete(post)
    async with days.awake() as group:
        await settled(group)

        assert group.bot_messages() == []
        assert await group.bot.desk.store.by_post(post.id) == ()


@pytest.mark.parametrize("message_content", [True, False])
async def test_direct_messages_of_the_meantime_are_answered_changed_and_taken_away(
    days: Days, message_content: bool
) -> None:
    """Discord hands over the words of a direct message, whatever the bot may read elsewhere."""
    posts: list[Message] = []
    async with days.awake(message_content=message_content) as group:
        await settled(group)
        for number in (5, 6, 7):
            posts.append(group.say(POST.replace("5x11", f"{number}x11"), channel=days.direct))
            await group.answer(number - 4, days.direct)
    kept, changed, deleted = posts
    days.local.world.edit(changed, EDITED)
    days.local.world.delete(deleted)
    new = days.say("what is a tensor that does not require grad?", days.direct)
    async with days.awake(message_content=message_content) as group:
        await settled(group)
        answers = {one.reference: one for one in group.bot_messages(days.direct)}

        assert set(answers) == {kept.id, changed.id, new.id}
        assert "[2, 3]" in shown(answers[changed.id]) and SLUG in shown(answers[kept.id])
    async with days.awake(message_content=message_content) as group:
        await settled(group)
        assert len(group.bot_messages(days.direct)) == 3


async def test_a_traceback_that_was_edited_in_meanwhile_is_answered(days: Days) -> None:
    async with days.awake() as group:
        await settled(group)
        post = group.say("oh no")
        await group.silence()
    days.local.world.edit(post, {"content": POST})
    async with days.awake() as group:
        await settled(group)

        assert (await group.answer()).reference == post.id


async def test_nothing_is_answered_that_was_written_before_the_bot_came(days: Days) -> None:
    days.say(POST)
    async with days.awake() as group:
        await settled(group)
        await group.silence()


async def test_nothing_is_answered_twice_after_a_restart(days: Days) -> None:
    await first_day(days)
    async with days.awake() as group:
        await settled(group)
        await group.silence(expected=1)


async def test_an_answer_that_the_asker_deleted_stays_away(days: Days) -> None:
    async with days.awake() as group:
        await settled(group)
        post = group.say(POST)
        group.press(await group.answer(), "tutor:delete")
        await until(lambda: group.bot_messages() == [])
        await idle()
    days.local.world.edit(post, EDITED)
    async with days.awake() as group:
        await settled(group)
        await group.silence()


@pytest.mark.parametrize(
    ("window", "answered"),
    [
        (Window(past=timedelta(0)), 0),
        (Window(messages=2), 2),
        (Window(), 3),
    ],
)
async def test_the_past_is_looked_at_within_bounds(
    days: Days, window: Window, answered: int
) -> None:
    await first_day(days)
    posts = [days.say(POST.replace("5x11", f"5x{number}")) for number in (20, 21, 22)]
    async with days.awake(window) as group:
        await settled(group)
        await group.silence(expected=1 + answered)

        replied = {message.reference for message in group.bot_messages()[1:]}
        assert replied == {post.id for post in posts[3 - answered :]}


async def test_only_watched_channels_are_caught_up(days: Days) -> None:
    async with days.awake() as group:
        await settled(group)
        general = next(c for c in group.world.channels.values() if c.name == "general")
        settings = GuildSettings(channels=(general.id,))
        await group.bot.desk.conduct.guilds.put(GUILD_ID, settings)
    days.say(POST)
    async with days.awake() as group:
        await settled(group)
        await group.silence()


async def test_a_channel_whose_past_may_not_be_read_is_left_alone(days: Days) -> None:
    await first_day(days)
    days.say(POST.replace("5x11", "6x11"))
    fault = RequestFault("GET /channels/*/messages", errors.missing_access(), times=ALWAYS)
    days.local.faults.add(fault)
    async with days.awake() as group:
        await settled(group)
        await group.silence(expected=1)
        group.say(POST.replace("5x11", "7x11"))
        await group.answer(2)


async def test_an_answer_that_discord_did_not_take_is_sent_at_the_next_login(days: Days) -> None:
    async with days.awake() as group:
        await settled(group)
        broken = errors.ApiError(500, 0, "Internal Server Error")
        days.local.faults.add(RequestFault("POST /channels/*/messages", broken, times=ALWAYS))
        post = group.say(POST)
        await until(lambda: len(days.local.faults.happened) >= 3)
        await group.bot.close()
    days.local.faults.clear()
    async with days.awake() as group:
        await settled(group)

        assert (await group.answer()).reference == post.id
        assert len(group.bot_messages()) == 1


async def test_what_is_missed_between_two_connections_is_caught_up(days: Days) -> None:
    async with days.awake() as group:
        await settled(group)
        group.local.gateway.forget_sessions()
        await group.local.gateway.drop()
        post = group.say(POST)

        assert (await group.answer()).reference == post.id


def test_a_channel_counts_as_read_up_to_the_first_message_at_work() -> None:
    seen = Seen()
    with seen.looking(1, 10):
        with seen.looking(1, 11):
            pass
        assert seen.changed() == {1: 9}
    assert seen.changed() == {1: 11}
    assert seen.changed() == {}


def test_a_message_whose_look_was_broken_off_is_looked_at_again() -> None:
    seen = Seen()
    with pytest.raises(RuntimeError), seen.looking(1, 10):
        raise RuntimeError("killed")
    with seen.looking(1, 11):
        pass

    assert seen.changed() == {1: 9}
