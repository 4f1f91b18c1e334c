"""One answer per problem, no flood, and nothing that nobody asked for too often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from study_group import (
    OTHER_TRACEBACK,
    POST,
    SLUG,
    TRACEBACK,
    StudyGroup,
    idle,
    shown,
    study_group,
    until,
)

from bot.conduct import Limiter, Rates, Rules, TooSoon, rules_of
from bot.local.model import Message
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.locale import say
from bot.settings import Settings
from knowledge.language import Language
from knowledge.search import Searcher

OTHER = f"```\n{OTHER_TRACEBACK}\n```"
Entering = Callable[[Rules], AbstractAsyncContextManager[StudyGroup]]


@pytest_asyncio.fixture
async def entering(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> AsyncIterator[Entering]:
    yield lambda rules: study_group(local, searcher, tmp_path / "tutor.db", rules=rules)


def link(message: Message) -> str:
    return f"https://discord.com/channels/{GUILD_ID}/{message.channel.id}/{message.id}"


# -- one answer per problem


async def test_the_same_error_again_gets_a_pointer_to_its_answer(group: StudyGroup) -> None:
    group.say(POST)
    first = await group.answer(1)
    general = next(c for c in group.world.channels.values() if c.name == "general")
    again = group.say(f"please, anybody?\n```\n{TRACEBACK}\n```", channel=general)
    pointer = await group.answer(1, general)

    assert pointer.reference == again.id and pointer.embeds == []
    assert link(first) in pointer.content and len(pointer.content) < 400


@pytest.mark.parametrize("language", [Language.JA, Language.ZH])
async def test_the_pointer_speaks_the_language_of_the_post(
    group: StudyGroup, language: Language
) -> None:
    words = {
        Language.JA: "この層でエラーになります。助けて。",
        Language.ZH: "这一层报错了，怎么改？",
    }
    for number in (1, 2):
        group.say(f"{words[language]}\n```\n{TRACEBACK}\n```")
        answer = await group.answer(number)

    expected = say(language, "answer.same_problem", link=link(group.bot_messages()[0]))
    assert answer.content == expected


async def test_another_error_and_another_person_get_answers_of_their_own(
    group: StudyGroup,
) -> None:
    group.say(POST)
    await group.answer(1)
    group.say(OTHER)
    assert (await group.answer(2)).embeds
    group.say(POST, author=group.friend)
    assert SLUG in shown(await group.answer(3))
    group.say(POST.replace("5x11", "6x11"))  # other numbers are another error
    assert SLUG in shown(await group.answer(4))


async def test_nothing_points_to_details_that_only_one_person_saw(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer(1)
    group.press(answer, "tutor:show", user=group.friend)
    assert (await group.answer(2)).ephemeral
    await idle()
    group.say(POST, author=group.friend)

    assert SLUG in shown(await group.answer(3))


async def test_the_same_error_posted_twice_at_once_gets_one_answer_and_one_pointer(
    group: StudyGroup,
) -> None:
    group.say(POST)
    group.say(POST)
    await group.answer(2)

    assert sorted(bool(message.embeds) for message in group.bot_messages()) == [False, True]


async def test_after_ten_minutes_the_same_error_is_answered_anew(entering: Entering) -> None:
    async with entering(Rules(repeats=timedelta(0))) as group:
        group.say(POST)
        await group.answer(1)
        group.say(POST)
        assert SLUG in shown(await group.answer(2))


async def test_in_direct_messages_every_post_gets_its_answer(group: StudyGroup) -> None:
    direct = group.world.direct_channel(group.learner)
    for number in (1, 2):
        group.say(POST, channel=direct)
        assert SLUG in shown(await group.answer(number, direct))


async def test_a_pointer_becomes_an_answer_when_its_post_becomes_another_error(
    group: StudyGroup,
) -> None:
    group.say(POST)
    await group.answer(1)
    again = group.say(POST)
    pointer = await group.answer(2)
    group.world.edit(again, {"content": OTHER})
    await until(lambda: pointer.embeds != [])

    assert "[2, 3]" in shown(pointer) and pointer.content == ""
    group.world.edit(again, {"content": POST})
    await until(lambda: pointer.embeds == [])
    assert link(group.bot_messages()[0]) in pointer.content


async def test_a_pointer_speaks_for_itself_when_the_first_answer_is_gone(
    group: StudyGroup,
) -> None:
    first = group.say(POST)
    await group.answer(1)
    group.say(POST)
    second = await group.answer(2)
    group.say(POST)
    third = await group.answer(3)
    group.world.delete(first)
    await until(lambda: second.embeds != [] and link(second) in third.content)

    assert group.bot_messages() == [second, third]


async def test_a_pointer_speaks_for_itself_when_the_first_answer_is_to_something_else(
    group: StudyGroup,
) -> None:
    first = group.say(POST)
    await group.answer(1)
    group.say(POST)
    second = await group.answer(2)
    group.world.edit(first, {"content": OTHER})

    await until(lambda: second.embeds != [])
    assert SLUG in shown(second)


async def test_an_answer_follows_its_post_as_often_as_it_is_edited(entering: Entering) -> None:
    rules = Rules(posts=Rates("1 per day", "1 per day", "1 per day"))
    async with entering(rules) as group:
        post = group.say(POST)
        answer = await group.answer()
        for number in range(20, 32):
            group.world.edit(post, {"content": POST.replace("5x11", f"5x{number}")})
        await until(lambda: "5x31" in shown(answer) or "31" in shown(answer))
        await idle()

        assert group.bot_messages() == [answer]


async def test_an_answer_that_the_asker_deleted_does_not_come_back(group: StudyGroup) -> None:
    post = group.say(POST)
    answer = await group.answer()
    group.press(answer, "tutor:delete")
    await until(lambda: group.bot_messages() == [])
    group.world.edit(post, {"content": f"{POST} (edited)"})

    await group.silence()


# -- not too often


async def test_unasked_answers_end_in_silence(entering: Entering) -> None:
    async with entering(Rules(posts=Rates(user="2 per day"))) as group:
        for number in range(20, 25):
            group.say(POST.replace("5x11", f"5x{number}"))
        await group.answer(2)
        await group.silence(expected=2)

        group.say(POST, author=group.friend)
        assert SLUG in shown(await group.answer(3))


async def test_a_channel_and_a_server_have_limits_of_their_own(entering: Entering) -> None:
    async with entering(Rules(posts=Rates(channel="1 per day", guild="2 per day"))) as group:
        general = next(c for c in group.world.channels.values() if c.name == "general")
        group.say(POST)
        group.say(POST, author=group.friend)
        await group.answer(1)
        await group.silence(expected=1)
        group.say(POST.replace("5x11", "6x11"), channel=general)
        await group.answer(1, general)
        group.say(POST.replace("5x11", "7x11"), channel=general)
        await group.silence(expected=1)
        assert len(group.bot_messages(general)) == 1


async def test_somebody_who_asks_too_often_is_told_once_when_to_try_again(
    entering: Entering,
) -> None:
    async with entering(Rules(commands=Rates(user="1 per day"))) as group:
        for number in range(20, 25):
            group.say(f"<@{group.world.bot.id}> {POST.replace('5x11', f'5x{number}')}")
        await group.answer(2)
        await group.silence(expected=2)
        first, told = group.bot_messages()

        assert SLUG in shown(first)
        before, after = say(Language.EN, "trouble.too_soon", when="|").split("|")
        assert told.content.startswith(before + "<t:") and told.content.endswith(":R>" + after)


async def test_a_command_too_many_is_refused_for_the_asker_alone(entering: Entering) -> None:
    async with entering(Rules(commands=Rates(user="1 per day"))) as group:
        group.slash("explain", text=POST)
        answer = await group.answer()
        for refused in (
            group.slash("explain", text=POST, locale="ja"),
            group.press(answer, "tutor:delete", locale="ja"),
        ):
            await until(lambda refused=refused: refused.response is not None)
            told = refused.response
            assert told is not None and told.ephemeral
            assert say(Language.JA, "trouble.too_soon", when="|").split("|")[1] in told.content
            assert "<t:" in told.content


def test_what_happened_lately_counts_and_what_is_long_ago_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000_000.0
    clock = SimpleNamespace(time=lambda: now, perf_counter=lambda: now)
    monkeypatch.setattr("limits.storage.memory.time", clock)
    monkeypatch.setattr("bot.conduct.time", clock)
    limiter = Limiter(Rates(user="2 per 10 minutes", guild="3 per 10 minutes"))
    limiter.admit(1, 10, 100)
    now += 60
    limiter.admit(1, 10, 100)

    with pytest.raises(TooSoon) as first:
        limiter.admit(1, 10, 100)
    with pytest.raises(TooSoon) as second:
        limiter.admit(1, 10, 100)
    assert first.value.until.timestamp() == pytest.approx(1_000_000 + 600, abs=2)
    assert (first.value.told, second.value.told) == (False, True)

    limiter.admit(2, 10, 100)  # what was refused did not count
    with pytest.raises(TooSoon):
        limiter.admit(2, 10, 100)
    limiter.admit(2, 10, None)  # no guild, no limit of a guild

    now += 601
    limiter.admit(1, 10, 100)
    limiter.admit(1, 10, 100)
    with pytest.raises(TooSoon) as third:
        limiter.admit(1, 10, 100)
    assert not third.value.told


def test_the_settings_make_the_rules() -> None:
    rules = rules_of(Settings(posts_per_user="off", commands_per_guild="7 per 2 hours"))

    assert rules.posts == Rates("off", "30 per 10 minutes", "100 per 10 minutes")
    assert rules.commands.guild == "7 per 2 hours"
    assert rules.repeats == timedelta(minutes=10)
    for rates in (rules.posts, rules.commands):
        Limiter(rates)
    with pytest.raises(ValueError, match="posts_per_user"):
        Settings(posts_per_user="many")
