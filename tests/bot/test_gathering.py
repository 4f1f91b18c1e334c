"""Several messages in a row by one person are one post, whatever comes between and afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_group import (
    CODE,
    OTHER_TRACEBACK,
    POST,
    SLUG,
    TRACEBACK,
    StudyGroup,
    labels,
    shown,
    study_group,
    until,
)

from bot.cogs import posts
from bot.gathering import Line, Rules, belonging
from bot.local.server import LocalDiscord
from knowledge.search import Searcher

BLOCK = f"```python\n{CODE}\n```"
QUESTION = "why does my layer refuse this?"


async def settled(group: StudyGroup, button: str = "Find a repair") -> None:
    """Wait until the only answer rests on the code, too."""
    await until(
        lambda: len(group.bot_messages()) == 1 and button in labels(group.bot_messages()[0])
    )


async def test_question_code_and_traceback_get_one_answer_under_the_last(
    group: StudyGroup,
) -> None:
    group.say(QUESTION)
    group.say(BLOCK)
    last = group.say(TRACEBACK)
    answer = await group.answer()

    assert answer.reference == last.id
    assert SLUG in shown(answer) and "Find a repair" in labels(answer)
    await group.silence(expected=1)


async def test_code_that_comes_after_the_answer_changes_it_in_place(group: StudyGroup) -> None:
    first = group.say(TRACEBACK)
    answer = await group.answer()
    assert "Find a repair" not in labels(answer)
    group.say(BLOCK)
    await settled(group)

    assert answer.reference == first.id
    await group.silence(expected=1)


async def test_the_buttons_know_all_parts(group: StudyGroup) -> None:
    group.say(BLOCK)
    group.say(TRACEBACK)
    answer = await group.answer()
    opened = group.press(answer, "tutor:confirm")
    await until(lambda: opened.modal is not None)

    assert opened.modal is not None
    assert opened.modal["components"][0]["component"]["value"] == CODE


async def test_a_second_error_is_a_second_post(group: StudyGroup) -> None:
    first = group.say(TRACEBACK)
    second = group.say(OTHER_TRACEBACK)
    await until(lambda: len(group.bot_messages()) == 2)

    assert {one.reference for one in group.bot_messages()} == {first.id, second.id}


async def test_another_persons_message_between_keeps_them_apart(group: StudyGroup) -> None:
    group.say(BLOCK)
    group.say("hello", author=group.friend)
    group.say(TRACEBACK)
    answer = await group.answer()

    assert "Find a repair" not in labels(answer)


async def test_thanks_after_the_answer_changes_nothing(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    before = shown(answer)
    group.say("thanks, that helped!")

    await group.silence(expected=1)
    assert shown(answer) == before and answer.edited is None


async def test_the_parts_of_two_people_are_never_mixed(group: StudyGroup) -> None:
    group.say(BLOCK, author=group.friend)
    group.say(TRACEBACK)
    answer = await group.answer()

    assert "Find a repair" not in labels(answer)


async def test_an_edit_of_any_part_changes_the_answer(group: StudyGroup) -> None:
    code = group.say(BLOCK)
    group.say(TRACEBACK)
    await settled(group)
    group.world.edit(code, {"content": "never mind"})
    answer = group.bot_messages()[0]
    await until(lambda: "Find a repair" not in labels(answer))

    assert SLUG in shown(answer)


async def test_deleting_a_part_changes_the_answer_and_deleting_the_last_takes_it_away(
    group: StudyGroup,
) -> None:
    code = group.say(BLOCK)
    last = group.say(TRACEBACK)
    await settled(group)
    answer = group.bot_messages()[0]
    group.world.delete(code)
    await until(lambda: "Find a repair" not in labels(answer))
    group.world.delete(last)

    await until(lambda: group.bot_messages() == [])


async def test_a_mention_in_the_question_asks_about_what_follows(group: StudyGroup) -> None:
    group.make_unsure()
    group.say(f"<@{group.world.bot.id}> {QUESTION}")
    await group.answer()
    group.tutor.hesitates = False
    group.say(TRACEBACK)
    answer = group.bot_messages()[0]
    await until(lambda: SLUG in shown(answer))

    await group.silence(expected=1)


async def test_parts_are_known_after_a_restart(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        code = before.say(BLOCK)
        before.say(TRACEBACK)
        await settled(before)
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        answer = after.bot_messages()[0]
        after.world.edit(code, {"content": "never mind"})
        await until(lambda: "Find a repair" not in labels(answer))

        assert SLUG in shown(answer)


@pytest.mark.parametrize("awake", [True, False])
async def test_a_part_that_is_deleted_after_a_restart_or_before_it_is_missed_in_the_answer(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path, awake: bool
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        code = before.say(BLOCK)
        before.say(TRACEBACK)
        await settled(before)
    if not awake:
        local.world.delete(code)
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        answer = after.bot_messages()[0]
        if awake:
            local.world.delete(code)
        await until(lambda: "Find a repair" not in labels(answer))

        assert SLUG in shown(answer)


async def test_a_part_is_followed_however_late_it_is_edited(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = group.say(BLOCK)
    group.say(TRACEBACK)
    await settled(group)
    monkeypatch.setattr(posts, "_ADDED_LATER", timedelta())
    group.world.edit(code, {"content": "never mind"})
    answer = group.bot_messages()[0]

    await until(lambda: "Find a repair" not in labels(answer))


async def test_a_part_that_gets_an_error_of_its_own_is_answered_alone(group: StudyGroup) -> None:
    code = group.say(BLOCK)
    group.say(TRACEBACK)
    await settled(group)
    group.world.edit(code, {"content": OTHER_TRACEBACK})
    second = await group.answer(2)
    first = group.bot_messages()[0]
    await until(lambda: "Find a repair" not in labels(first))

    assert second.reference == code.id and SLUG not in shown(second)
    assert SLUG in shown(first)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("wce", [(0, 1, 2)]),
        ("ew", [(0,), (1,)]),
        ("ewm", [(0, 1, 2)]),
        ("ecw", [(0, 1), (2,)]),
        ("ee", [(0,), (1,)]),
        ("wcece", [(0, 1, 2, 3), (4,)]),
        ("www", [(0,), (1,), (2,)]),
        ("wwwwwce", [(0,), (1,), (2,), (3,), (4,), (5, 6)]),
    ],
)
def test_what_belongs_together(kinds: str, expected: list[tuple[int, ...]]) -> None:
    """w: words, c: code, e: an error, m: a mention of the bot."""
    lines = lines_of(kinds)

    assert {belonging(lines, number, Rules()) for number in range(len(kinds))} == set(expected)


@given(st.text("wcem", max_size=12), st.integers(2, 6))
def test_every_message_is_in_exactly_one_post_with_one_error_at_most(kinds: str, most: int) -> None:
    lines = lines_of(kinds)
    posts = {belonging(lines, line.message_id, Rules(timedelta(seconds=1), most)) for line in lines}

    assert sorted(one for post in posts for one in post) == list(range(len(kinds)))
    assert all(len(post) <= most for post in posts)
    assert all("".join(kinds[one] for one in post).count("e") <= 1 for post in posts)


def lines_of(kinds: str) -> list[Line]:
    return [
        Line(number, has_error=kind == "e", has_code=kind == "c", calls=kind == "m")
        for number, kind in enumerate(kinds)
    ]
