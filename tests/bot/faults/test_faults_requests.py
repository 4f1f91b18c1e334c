"""Discord limits, fails, hangs up or refuses: what the person sees then."""

from __future__ import annotations

import logging

import pytest
from hasty import Hasty
from study_group import (
    OTHER_TRACEBACK,
    POST,
    SLUG,
    TOKEN,
    TRACEBACK,
    StudyGroup,
    idle,
    shown,
    until,
)

from bot.local import errors
from bot.local.errors import ApiError
from bot.local.faults import ALWAYS, RequestFault
from bot.locale import say
from knowledge.language import Language

SEND = "POST /channels/*/messages"
ACKNOWLEDGE = "POST /interactions/*/callback"
FILL = "PATCH /webhooks/*/messages/@original"
LOAD = "GET /attachments/*"
LIMITED = ApiError(429, 0, "You are being rate limited.")
DOWN = ApiError(503, 0, "503: Service Unavailable")
BAD_GATEWAY = ApiError(502, 0, "502: Bad Gateway")
NOT_ALLOWED = ApiError(403, 50013, "Missing Permissions")


async def test_a_limited_answer_comes_after_the_time_that_discord_names(
    group: StudyGroup, hasty: Hasty
) -> None:
    group.local.faults.add(RequestFault(SEND, LIMITED, retry_after=7.5, times=2))
    group.say(POST)

    assert SLUG in shown(await group.answer())
    assert hasty.slept.count(7.5) == 2
    assert len(group.bot_messages()) == 1


async def test_under_a_global_limit_every_post_is_still_answered_once(group: StudyGroup) -> None:
    group.local.faults.add(RequestFault(SEND, LIMITED, retry_after=3, everywhere=True, times=3))
    posts = [group.say(POST) for _ in range(4)]
    await group.answer(4)

    assert sorted(answer.reference or 0 for answer in group.bot_messages()) == [
        post.id for post in posts
    ]


@pytest.mark.parametrize("route", [ACKNOWLEDGE, FILL])
async def test_a_limited_command_is_answered_once(group: StudyGroup, route: str) -> None:
    group.local.faults.add(RequestFault(route, LIMITED, retry_after=0.5))
    group.slash("explain", text=TRACEBACK)

    assert SLUG in shown(await group.answer())
    assert len(group.local.faults.happened) == 1


@pytest.mark.parametrize("error", [BAD_GATEWAY, DOWN], ids=["502", "503"])
async def test_a_post_is_answered_when_discord_fails_once(
    group: StudyGroup, error: ApiError
) -> None:
    group.local.faults.add(RequestFault(SEND, error))
    group.say(POST)

    assert SLUG in shown(await group.answer())
    assert len(group.bot_messages()) == 1


@pytest.mark.parametrize("error", [BAD_GATEWAY, DOWN], ids=["502", "503"])
@pytest.mark.parametrize("route", [ACKNOWLEDGE, FILL])
async def test_a_command_is_answered_when_discord_fails_once(
    group: StudyGroup, route: str, error: ApiError
) -> None:
    group.local.faults.add(RequestFault(route, error))
    group.slash("explain", text=TRACEBACK)

    assert SLUG in shown(await group.answer())
    assert len(group.bot_messages()) == 1


async def test_a_result_that_discord_does_not_take_for_long_comes_as_an_ordinary_message(
    group: StudyGroup,
) -> None:
    group.local.faults.add(RequestFault(FILL, DOWN, times=ALWAYS))
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer()

    assert SLUG in shown(answer) and answer.origin is None
    note = say(Language.EN, "late.note", person=f"<@{group.learner.id}>")
    assert answer.content == note and answer.mentions == ()


async def test_while_discord_takes_nothing_the_bot_lives_on_and_leaks_no_token(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        group.local.faults.add(
            RequestFault(SEND, DOWN, times=ALWAYS), RequestFault(FILL, DOWN, times=ALWAYS)
        )
        group.say(f"<@{group.world.bot.id}> {POST}")
        asked = group.slash("explain", text=TRACEBACK)
        await until(lambda: "No way to the person is open" in caplog.text)
        await until(lambda: "No answer in channel" in caplog.text)
        await idle()
    assert group.bot_messages() == []
    assert asked.token not in caplog.text and TOKEN not in caplog.text

    group.local.faults.clear()
    group.say(POST)
    assert SLUG in shown(await group.answer())


@pytest.mark.parametrize("handled", [False, True], ids=["before", "after"])
async def test_a_connection_that_breaks_around_an_answer_neither_loses_nor_doubles_it(
    group: StudyGroup, handled: bool
) -> None:
    group.local.faults.add(RequestFault(SEND, handled=handled))
    post = group.say(POST)
    answer = await group.answer()
    assert SLUG in shown(answer) and len(group.bot_messages()) == 1

    group.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})
    await until(lambda: SLUG not in shown(answer))  # so it was remembered, too
    assert len(group.bot_messages()) == 1


@pytest.mark.parametrize("handled", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("route", [ACKNOWLEDGE, FILL])
async def test_a_connection_that_breaks_around_a_command_leaves_nobody_waiting(
    group: StudyGroup, route: str, handled: bool
) -> None:
    group.local.faults.add(RequestFault(route, handled=handled))
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer()

    assert SLUG in shown(answer)
    assert [*group.world.messages(group.help)] == [answer]


async def test_an_error_reaches_the_person_although_the_connection_broke(
    group: StudyGroup,
) -> None:
    group.local.faults.add(RequestFault(ACKNOWLEDGE, handled=True))
    group.slash("explain", text=" ")
    told = await group.answer()

    assert told.content == say(Language.EN, "input.empty", name=say(Language.EN, "name.post"))
    assert [*group.world.messages(group.help)] == [told]


async def test_an_answer_to_a_post_that_is_gone_is_dropped_in_silence(group: StudyGroup) -> None:
    group.local.faults.add(RequestFault(SEND, errors.unknown_message()))
    group.say(f"<@{group.world.bot.id}> {POST}")
    await until(lambda: len(group.local.faults.happened) == 1)

    await group.silence()


async def test_an_answer_in_a_channel_that_is_gone_is_dropped_in_silence(
    group: StudyGroup,
) -> None:
    group.local.faults.add(RequestFault(SEND, errors.unknown_channel()))
    group.say(f"<@{group.world.bot.id}> {POST}")
    await until(lambda: len(group.local.faults.happened) == 1)

    await group.silence()


async def test_an_edit_of_an_answer_that_a_moderator_removed_is_dropped_in_silence(
    group: StudyGroup,
) -> None:
    post = group.say(POST)
    group.world.delete(await group.answer())
    group.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})

    await group.silence()


@pytest.mark.parametrize("error", [NOT_ALLOWED, errors.missing_access()], ids=["50013", "50001"])
async def test_where_the_bot_may_not_write_a_mention_is_answered_in_private_with_the_reason(
    group: StudyGroup, error: ApiError
) -> None:
    route = f"POST /channels/{group.help.id}/messages"
    group.local.faults.add(RequestFault(route, error, times=ALWAYS))
    direct = group.world.direct_channel(group.learner)
    group.say(f"<@{group.world.bot.id}> {POST}")
    answer = await group.answer(1, direct)

    assert answer.content == say(Language.EN, "late.not_there", place=f"<#{group.help.id}>")
    assert SLUG in shown(answer)


async def test_where_the_bot_may_not_write_nobody_is_bothered_who_did_not_ask(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    route = f"POST /channels/{group.help.id}/messages"
    group.local.faults.add(RequestFault(route, NOT_ALLOWED, times=ALWAYS))
    group.say(POST)

    await until(lambda: f"May not write in channel {group.help.id}" in caplog.text)
    await group.silence()
    assert group.bot_messages(group.world.direct_channel(group.learner)) == []


async def test_when_the_person_takes_no_direct_messages_either_the_log_says_so(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    direct = group.world.direct_channel(group.learner)
    group.local.faults.add(
        RequestFault(f"POST /channels/{group.help.id}/messages", NOT_ALLOWED),
        RequestFault(f"POST /channels/{direct.id}/messages", errors.cannot_message()),
    )
    with caplog.at_level(logging.INFO):
        group.say(f"<@{group.world.bot.id}> {POST}")
        await until(lambda: "No way to the person is open: Forbidden 50007" in caplog.text)

    await group.silence()


@pytest.mark.parametrize(
    "fault",
    [
        RequestFault(LOAD, ApiError(404, 0, "gone"), times=ALWAYS),
        RequestFault(LOAD, DOWN, times=ALWAYS),
        RequestFault(LOAD, times=ALWAYS),
    ],
    ids=["404", "503", "cut"],
)
async def test_a_file_that_cannot_be_loaded_is_named_to_somebody_who_asked(
    group: StudyGroup, fault: RequestFault
) -> None:
    group.local.faults.add(fault)
    told = say(Language.EN, "input.not_downloaded", name="train.log")
    group.say(f"<@{group.world.bot.id}> look", ("train.log", TRACEBACK.encode()))
    assert shown(await group.answer()).strip() == told

    group.slash("explain", file=("train.log", TRACEBACK.encode()))
    assert shown(await group.answer(2)).strip() == told


async def test_a_file_is_read_when_loading_it_failed_once(group: StudyGroup) -> None:
    group.local.faults.add(RequestFault(LOAD))
    group.say("help please", ("train.log", TRACEBACK.encode()))

    assert SLUG in shown(await group.answer())
