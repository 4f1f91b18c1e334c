"""The buttons under an answer: their state fits, outlives a restart, and each does what it says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from discord.ui import Button, DynamicItem, View
from hypothesis import given
from hypothesis import strategies as st
from study_group import (
    CODE,
    MESSAGE,
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

from bot import reply as limits
from bot.local.model import Message
from bot.local.server import LocalDiscord
from bot.locale import say
from bot.modals import Form, Purpose
from bot.views import (
    BUTTONS,
    ConfirmButton,
    CorrectButton,
    DeleteButton,
    ExampleButton,
    OthersButton,
    PictureButton,
    RepairButton,
    ShowButton,
    StopButton,
    VoteButton,
)
from knowledge.entry import load_entries
from knowledge.language import Language
from knowledge.search import Searcher

SNOWFLAKES = st.integers(1, 2**63)
SLUGS = st.from_regex(r"[A-Za-z0-9]+(-[A-Za-z0-9]+){0,4}", fullmatch=True).filter(
    lambda slug: len(slug) <= 64
)


async def answered(group: StudyGroup) -> Message:
    """An answer to a post, remembered."""
    group.say(POST)
    return await group.answer()


@given(SNOWFLAKES, SLUGS, st.sampled_from(Language), st.text(min_size=1).filter(str.strip))
def test_the_state_of_every_button_fits_and_belongs_to_one_kind_only(
    snowflake: int, slug: str, language: Language, title: str
) -> None:
    buttons = [
        ExampleButton(language, slug),
        ConfirmButton(language),
        CorrectButton(language),
        OthersButton(language),
        PictureButton(language),
        RepairButton(language),
        ShowButton(slug, snowflake, title),
        DeleteButton(snowflake, language),
        StopButton(snowflake, language),
        VoteButton(language, slug, helpful=True),
    ]
    assert {type(button) for button in buttons} == set(BUTTONS)
    for button in buttons:
        assert len(button.custom_id) <= limits.CUSTOM_ID
        assert 0 < len(button.item.label or "") <= limits.LABEL
        fitting = [kind for kind in BUTTONS if _matches(kind, button.custom_id)]
        assert fitting == [type(button)]


def _matches(kind: type[DynamicItem[Button[View]]], text: str) -> bool:
    return kind.__discord_ui_compiled_template__.fullmatch(text) is not None


def test_the_slug_of_every_shipped_entry_fits_into_a_button() -> None:
    for entry in load_entries():
        assert len(ShowButton(entry.slug, 2**63, "x").custom_id) <= limits.CUSTOM_ID


@pytest.mark.parametrize("purpose", Purpose)
async def test_a_form_leaves_out_a_text_that_is_too_long_and_says_so(purpose: Purpose) -> None:
    async def nothing(*_: object) -> None:
        """Nobody submits it."""

    fitting = Form(purpose, Language.EN, nothing, "x" * limits.MODAL_TEXT).to_dict()
    too_long = Form(purpose, Language.EN, nothing, "x" * (limits.MODAL_TEXT + 1)).to_dict()

    assert fitting["components"][0]["component"]["value"] == "x" * limits.MODAL_TEXT
    assert "value" not in too_long["components"][0]["component"]
    assert too_long["components"][0]["description"] == say(Language.EN, "modal.too_long")


async def test_run_the_example_shows_failed_before_and_runs_after(group: StudyGroup) -> None:
    answer = await answered(group)
    entry = group.tutor.entry(SLUG)
    assert entry.fails is not None and entry.works is not None
    group.sandbox.endings[entry.fails] = group.sandbox.endings["randn(5, 11)"]
    group.press(answer, "tutor:example")
    result = await group.answer(2)

    assert {snippet.code for snippet in group.sandbox.ran} == {entry.fails, entry.works}
    assert [embed["title"] for embed in result.embeds] == [
        "Before: fails (0.01 s)",
        "After: runs without error (0.01 s)",
    ]
    assert not result.ephemeral


async def test_somebody_else_runs_the_example_for_their_own_eyes_and_language(
    group: StudyGroup,
) -> None:
    answer = await answered(group)
    group.press(answer, "tutor:example", user=group.friend, locale="ja")
    result = await group.answer(2)

    assert result.ephemeral
    assert say(Language.JA, "outcome.ok") in shown(result)


async def test_confirm_my_fix_starts_from_the_posts_code_and_gives_a_verdict(
    group: StudyGroup,
) -> None:
    answer = await answered(group)
    opened = group.press(answer, "tutor:confirm")
    await group.fill_in(opened, CODE.replace("Linear(7", "Linear(11").replace("5, 11", "5,11"))
    result = await group.answer(2)

    assert opened.modal is not None
    assert opened.modal["components"][0]["component"]["value"].strip() == CODE
    assert say(Language.EN, "verdict.fixed.title") in shown(result)
    assert "Before: fails (0.01 s)" in shown(result)
    assert MESSAGE in shown(result)
    assert "After: runs without error (0.01 s)" in shown(result)


async def test_confirm_my_fix_works_for_what_came_by_a_command(group: StudyGroup) -> None:
    group.slash("explain", text=f"```python\n{CODE}\n```\n{TRACEBACK}")
    answer = await group.answer()
    opened = group.press(answer, "tutor:confirm")
    await group.fill_in(opened, CODE)
    result = await group.answer(2)

    assert say(Language.EN, "verdict.same_error.title") in shown(result)


async def test_confirm_my_fix_takes_a_file(group: StudyGroup) -> None:
    opened = group.press(await answered(group), "tutor:confirm")
    await group.fill_in(opened, file=("fixed.py", b"print('fixed')\n"))
    await group.answer(2)

    assert group.sandbox.ran[-1].code == "print('fixed')\n"


async def test_a_failed_run_can_be_confirmed_too(group: StudyGroup) -> None:
    group.slash("run", code=CODE)
    answer = await group.answer()
    opened = group.press(answer, "tutor:confirm")
    await group.fill_in(opened, "x = 1")

    assert say(Language.EN, "verdict.fixed.title") in shown(await group.answer(2))


async def test_without_the_post_the_form_is_not_opened_and_the_person_is_told(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    database = tmp_path / "tutor.db"
    async with study_group(local, searcher, database, keep=timedelta(0)) as group:
        group.slash("explain", text=TRACEBACK)
        answer = await group.answer()
        pressed = group.press(answer, "tutor:confirm", locale="ja")
        told = await group.answer(2)

        assert told.ephemeral and pressed.modal is None
        assert shown(told).strip() == say(Language.JA, "input.gone")


async def test_other_matches_are_listed_and_can_be_opened_with_the_posts_numbers(
    group: StudyGroup,
) -> None:
    answer = await answered(group)
    group.press(answer, "tutor:show", locale="zh-CN")
    details = await group.answer(2)
    assert details.ephemeral
    group.press(details, "tutor:others", locale="zh-CN")
    listed = await group.answer(3)
    assert listed.ephemeral
    assert say(Language.ZH, "others.title") in shown(listed)

    group.press(listed, "tutor:show", locale="zh-CN")
    opened = await group.answer(4)
    assert opened.ephemeral
    assert say(Language.ZH, "answer.fix") in shown(opened)
    assert SLUG not in shown(opened)


async def test_details_hold_the_cause_and_the_example_with_the_posts_numbers(
    group: StudyGroup,
) -> None:
    answer = await answered(group)
    assert say(Language.EN, "answer.cause") not in shown(answer)
    group.press(answer, "tutor:show", locale="ja")
    details = shown(await group.answer(2))

    for part in ("cause", "fix", "works", "see", "docs"):
        assert say(Language.JA, f"answer.{part}") in details
    assert "11" in details.partition(say(Language.JA, "answer.cause"))[0]


async def test_an_answer_to_a_post_with_code_shows_the_change_to_make(group: StudyGroup) -> None:
    text = shown(await answered(group))

    assert "```diff" in text
    assert say(Language.EN, "answer.not_run", button=say(Language.EN, "button.repair")) in text
    assert group.sandbox.ran == []


async def test_the_asker_can_delete_the_answer(group: StudyGroup) -> None:
    answer = await answered(group)
    group.press(answer, "tutor:delete")

    await until(lambda: group.bot_messages() == [])
    await idle()
    assert await group.bot.desk.store.by_answer(answer.id) is None


async def test_somebody_else_cannot_delete_the_answer(group: StudyGroup) -> None:
    answer = await answered(group)
    group.press(answer, "tutor:delete", user=group.friend, locale="ja")
    told = await group.answer(2)

    assert told.ephemeral
    assert shown(told).strip() == say(Language.JA, "input.not_yours")
    assert group.bot_messages()[0] is answer


@pytest.mark.parametrize("prefix", ["tutor:example", "tutor:confirm", "tutor:show"])
async def test_buttons_work_after_a_restart(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path, prefix: str
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        answer = await answered(before)
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        pressed = after.press(answer, prefix)
        await until(lambda: pressed.modal is not None or len(after.bot_messages()) == 2)


async def test_buttons_work_even_when_the_memory_is_lost(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "before.db") as before:
        answer = await answered(before)
    async with study_group(local, searcher, tmp_path / "after.db") as after:
        opened = after.press(answer, "tutor:confirm")
        await after.fill_in(opened, "x = 1")

        assert say(Language.EN, "verdict.fixed.title") in shown(await after.answer(2))


async def test_a_button_for_an_entry_that_is_gone_says_so(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await answered(group)
    monkeypatch.setattr(group.tutor, "_searcher", Searcher(()))
    group.press(answer, "tutor:example")

    assert shown(await group.answer(2)).strip() == say(Language.EN, "trouble.unknown_entry")


async def test_an_entry_that_cannot_be_run_here_has_no_example_button(group: StudyGroup) -> None:
    group.say("RuntimeError: CUDA error: device-side assert triggered")
    answer = await group.answer()

    assert "Run the example" not in labels(answer)
    assert "Confirm my fix" in labels(answer)
