"""Commands and buttons when they come late, twice, all at once, or around a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_group import (
    CODE,
    POST,
    SLUG,
    TRACEBACK,
    StudyGroup,
    idle,
    labels,
    shown,
    study_group,
    until,
)

from bot.local import errors
from bot.local.faults import InteractionFault, RequestFault
from bot.local.interactions import TOKEN_LIFE
from bot.local.model import Interaction, Message, Phase
from bot.local.server import LocalDiscord
from bot.locale import say
from knowledge.language import Language
from knowledge.search import Searcher

FILL = "PATCH /webhooks/*/messages/@original"


async def answered(group: StudyGroup) -> Message:
    """An answer to a post, remembered."""
    group.say(POST)
    return await group.answer()


async def under_way(group: StudyGroup, asked: Interaction) -> Message:
    """The message that waits for the end of a run, which does not come before the gate opens."""
    await until(lambda: asked.response is not None)
    assert asked.response is not None
    return asked.response


def too_late(language: Language = Language.EN) -> str:
    return say(language, "trouble.too_late")


# -- the three seconds


async def test_a_command_that_comes_too_late_is_asked_for_again(group: StudyGroup) -> None:
    group.local.faults.add(InteractionFault())
    asked = group.slash("explain", text=TRACEBACK, locale="ja")
    told = await group.answer()

    assert asked.phase is Phase.FAILED
    assert too_late(Language.JA) in told.content and f"<@{group.learner.id}>" in told.content
    assert told.mentions == ()

    group.slash("explain", text=TRACEBACK)
    assert SLUG in shown(await group.answer(2))


@pytest.mark.parametrize("prefix", ["tutor:example", "tutor:confirm", "tutor:repair"])
async def test_a_button_that_is_pressed_too_late_is_asked_for_again(
    group: StudyGroup, prefix: str
) -> None:
    answer = await answered(group)
    group.local.faults.add(InteractionFault())
    group.press(answer, prefix)

    assert too_late() in (await group.answer(2)).content
    assert group.sandbox.ran == []


async def test_a_form_that_cannot_be_opened_in_time_is_asked_for_again(group: StudyGroup) -> None:
    group.local.faults.add(InteractionFault())
    asked = group.slash("run")

    assert too_late() in (await group.answer()).content
    assert asked.modal is None


async def test_whoever_comes_too_late_where_the_bot_may_not_write_is_told_in_private(
    group: StudyGroup,
) -> None:
    route = f"POST /channels/{group.help.id}/messages"
    group.local.faults.add(InteractionFault(), RequestFault(route, errors.missing_access()))
    group.slash("explain", text=TRACEBACK)
    direct = group.world.direct_channel(group.learner)

    assert too_late() in (await group.answer(1, direct)).content


# -- the fifteen minutes


async def test_a_result_after_fifteen_minutes_comes_as_an_ordinary_message_with_its_buttons(
    group: StudyGroup,
) -> None:
    group.sandbox.gate.clear()
    asked = group.slash("run", code=CODE)
    await under_way(group, asked)
    group.local.interactions.age(asked, TOKEN_LIFE + 1)
    group.sandbox.gate.set()
    result = await group.answer()

    assert result.origin is None
    assert result.content.startswith(say(Language.EN, "late.note", person=f"<@{group.learner.id}>"))
    assert SLUG in shown(result)
    assert "Confirm my fix" in labels(result)

    opened = group.press(result, "tutor:confirm")
    await group.fill_in(opened, "x = 1")
    assert say(Language.EN, "verdict.fixed.title") in shown(await group.answer(2))


async def test_a_result_whose_webhook_is_forgotten_is_not_lost_either(group: StudyGroup) -> None:
    group.local.faults.add(RequestFault(FILL, errors.unknown_webhook()))
    group.slash("explain", text=TRACEBACK)

    assert SLUG in shown(await group.answer())


async def test_a_late_result_for_one_persons_eyes_comes_to_them_alone(group: StudyGroup) -> None:
    answer = await answered(group)
    group.sandbox.gate.clear()
    pressed = group.press(answer, "tutor:example", user=group.friend)
    await under_way(group, pressed)
    group.local.interactions.age(pressed, TOKEN_LIFE + 1)
    group.sandbox.gate.set()

    direct = group.world.direct_channel(group.friend)
    assert say(Language.EN, "outcome.ok") in shown(await group.answer(1, direct))
    assert [one for one in group.bot_messages() if not one.loading] == [answer]


async def test_an_error_after_fifteen_minutes_is_told_too(group: StudyGroup) -> None:
    group.sandbox.gate.clear()
    asked = group.slash("run", code="crash")
    await under_way(group, asked)
    group.local.interactions.age(asked, TOKEN_LIFE + 1)
    group.sandbox.gate.set()

    expected = say(Language.EN, "trouble.unexpected", id="").split(".")[0]
    assert expected in (await group.answer()).content


async def test_a_waiting_message_that_is_taken_away_ends_the_matter(group: StudyGroup) -> None:
    group.sandbox.gate.clear()
    asked = group.slash("run", code=CODE)
    group.world.delete(await under_way(group, asked))
    group.sandbox.gate.set()

    await group.silence()


async def test_deleting_an_answer_twice_is_no_trouble(group: StudyGroup) -> None:
    answer = await answered(group)
    group.press(answer, "tutor:delete")
    group.press(answer, "tutor:delete")

    await until(lambda: group.bot_messages() == [])
    await group.silence()


# -- twice, and all at once


async def test_two_processes_of_the_bot_answer_a_command_once(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    database = tmp_path / "tutor.db"
    async with (
        study_group(local, searcher, database) as group,
        study_group(local, searcher, database),
    ):
        group.slash("explain", text=TRACEBACK)
        answer = await group.answer()
        await idle()

        assert SLUG in shown(answer)
        assert [*group.world.messages(group.help)] == [answer]


async def test_an_interaction_that_somebody_else_has_answered_is_left_alone(
    group: StudyGroup,
) -> None:
    asked = group.slash("explain", text=TRACEBACK)
    asked.phase = Phase.ANSWERED  # before the bot hears of it

    await group.silence()
    assert group.bot.desk.waiting == set()


async def test_twenty_commands_at_once_are_each_answered_with_their_own_numbers(
    group: StudyGroup,
) -> None:
    asked = [
        group.slash("explain", text=TRACEBACK.replace("5x11", f"5x{20 + number}"))
        for number in range(20)
    ]
    await group.answer(20)

    assert all(one.response is not None and not one.response.loading for one in asked)
    texts = [shown(one.response) for one in asked if one.response is not None]
    assert all(str(20 + number) in text for number, text in enumerate(texts))


async def test_of_twenty_presses_at_once_each_ends_in_a_result_or_in_a_sentence(
    group: StudyGroup,
) -> None:
    answer = await answered(group)
    pressed = [group.press(answer, "tutor:example") for _ in range(20)]
    await group.answer(21)

    texts = [shown(one.response) for one in pressed if one.response is not None]
    sent_away = say(Language.EN, "trouble.too_many.yours", most="3")
    ran = [text for text in texts if say(Language.EN, "outcome.ok") in text]
    assert len(texts) == 20 and len(ran) >= 4
    assert len(ran) + sum(sent_away in text for text in texts) == 20


# -- around a restart


async def test_whoever_waits_when_the_bot_is_stopped_is_told_to_ask_again(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as group:
        group.sandbox.gate.clear()
        asked = group.slash("run", code=CODE, locale="zh-CN")
        waiting = await under_way(group, asked)
        await until(lambda: bool(group.bot.desk.waiting))
        await group.bot.close()
        assert shown(waiting).strip() == say(Language.ZH, "trouble.restart")
        group.sandbox.gate.set()


async def test_a_form_that_was_opened_before_a_restart_is_given_back_with_its_text(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        opened = before.slash("explain")
        await until(lambda: opened.modal is not None)
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        await after.fill_in(opened, TRACEBACK)
        told = await after.answer()

        assert told.ephemeral and told.content == say(Language.EN, "trouble.lost_form")
        held = local.world.files.get(told.attachments[0].id)
        assert held is not None and held[1].decode() == TRACEBACK


async def test_a_button_of_another_version_is_answered_in_words(group: StudyGroup) -> None:
    button = {"type": 2, "style": 2, "label": "Old", "custom_id": "tutor:fly:en"}
    row = {"type": 1, "components": [button]}
    old = group.world.post(group.world.bot, group.help, {"content": "Old", "components": [row]})
    pressed = group.press(old, "tutor:fly", locale="ja")
    told = await group.told(pressed)

    assert told.ephemeral and told.content == say(Language.JA, "trouble.lost_button")


async def test_a_form_whose_opening_was_cut_off_is_not_met_with_silence(
    group: StudyGroup,
) -> None:
    group.local.faults.add(RequestFault("POST /interactions/*/callback", handled=True))
    opened = group.slash("explain")
    await until(lambda: opened.modal is not None)
    await group.fill_in(opened, TRACEBACK)

    assert (await group.answer()).content == say(Language.EN, "trouble.lost_form")


async def test_a_press_while_the_bot_is_away_fails_at_discord_and_works_afterwards(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        answer = await answered(before)
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        after.press(answer, "tutor:example")
        assert say(Language.EN, "outcome.ok") in shown(await after.answer(2))
