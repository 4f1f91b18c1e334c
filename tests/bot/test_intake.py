"""Notebooks and screenshots find their explanation on every way in, and are refused in words."""

from __future__ import annotations

import asyncio

import pytest
from screenshots import LIGHT, screenshot
from study_group import (
    CODE,
    MESSAGE,
    SLUG,
    TRACEBACK,
    StudyGroup,
    idle,
    labels,
    shown,
    until,
)
from test_notebook import FAILURE, cell, notebook

from bot.local.model import Interaction, Message, Upload
from bot.locale import say
from bot.store import Correction
from knowledge.language import Language
from knowledge.post import parse

NOTEBOOK = notebook(
    cell("!pip install torch\nimport torch"),
    cell("layer = torch.nn.Linear(7, 3)", run_as=2),
    cell("layer(torch.randn(5, 11))", FAILURE, run_as=3),
).encode()
WELL = notebook(cell("x = 1")).encode()
SHOT = screenshot(TRACEBACK)
OTHER = "IndexError: Dimension out of range (expected to be in range of [-2, 1], but got 2)"


@pytest.fixture
def read(group: StudyGroup, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are read."""
    screens = group.bot.desk.intake._screens
    assert screens is not None
    names: list[str] = []
    real = screens.read

    async def counted(data: bytes, name: str) -> str:
        try:
            return await real(data, name)
        finally:
            names.append(name)

    monkeypatch.setattr(screens, "read", counted)
    return names


def read_text_in(message: Message) -> str:
    """What an answer says that it read from a picture."""
    return next(one["description"] for one in message.embeds if "||" in one.get("description", ""))


def form_value(opened: Interaction) -> str:
    assert opened.modal is not None
    return str(opened.modal["components"][0]["component"].get("value"))


async def test_a_posted_notebook_is_explained_with_its_code(group: StudyGroup) -> None:
    group.say("why?", ("lab.ipynb", NOTEBOOK))
    answer = await group.answer()

    assert SLUG in shown(answer) and "11" in shown(answer)
    assert "Find a repair" in labels(answer)
    opened = group.press(answer, "tutor:confirm")
    await until(lambda: opened.modal is not None)
    assert form_value(opened) == CODE.replace("\n", "\n\n")


async def test_explain_takes_a_notebook(group: StudyGroup) -> None:
    group.slash("explain", file=("lab.ipynb", NOTEBOOK))

    assert SLUG in shown(await group.answer())


async def test_run_takes_a_notebook(group: StudyGroup) -> None:
    group.slash("run", file=("lab.ipynb", NOTEBOOK))
    await group.answer()

    assert group.sandbox.ran[0].code == CODE.replace("\n", "\n\n")


async def test_a_notebook_without_an_error_says_so_to_somebody_who_asked(
    group: StudyGroup,
) -> None:
    group.say("look", ("lab.ipynb", WELL))
    await group.silence()
    group.say(f"<@{group.world.bot.id}> look", ("lab.ipynb", WELL))

    expected = say(Language.EN, "input.notebook_no_error", name="lab.ipynb")
    assert shown(await group.answer()).strip() == expected


@pytest.mark.parametrize(
    ("file", "key"),
    [
        (("lab.ipynb", b"{"), "not_a_notebook"),
        (("lab.ipynb", notebook().encode()), "notebook_empty"),
        (("shot.png", b"\x89PNG"), "not_an_image"),
        (("shot.png", screenshot("  ")), "image_no_text"),
    ],
)
async def test_a_bad_notebook_or_picture_is_refused_in_words(
    group: StudyGroup, file: tuple[str, bytes], key: str
) -> None:
    group.slash("explain", file=file, locale="ja")

    assert shown(await group.answer()).strip() == say(Language.JA, f"input.{key}", name=file[0])


async def test_a_posted_screenshot_is_explained_and_shows_what_was_read(group: StudyGroup) -> None:
    post = group.say("what does this mean?", ("shot.png", SHOT))
    answer = await group.answer()

    assert answer.reference == post.id and SLUG in shown(answer)
    assert parse(read_text_in(answer)).errors[0].message == MESSAGE
    assert say(Language.EN, "button.correct") in labels(answer)


async def test_a_screenshot_beside_a_traceback_is_not_read(
    group: StudyGroup, read: list[str]
) -> None:
    group.say(TRACEBACK, ("shot.png", SHOT))
    answer = await group.answer()

    assert SLUG in shown(answer) and read == []
    assert say(Language.EN, "button.correct") not in labels(answer)


async def test_pictures_without_an_error_are_met_with_silence(
    group: StudyGroup, read: list[str]
) -> None:
    group.say("my curve", ("loss.png", screenshot("training loss\nepoch 1 2 3\nmy loss is nan")))
    group.say("broken", ("broken.png", b"\x89PNG\r\n\x1a\n"))
    await until(lambda: set(read) == {"loss.png", "broken.png"})
    await until(lambda: not any("on_message" in one.get_name() for one in asyncio.all_tasks()))

    await group.silence()


async def test_the_code_in_the_message_and_the_error_in_the_picture_make_one_post(
    group: StudyGroup,
) -> None:
    group.say(f"```python\n{CODE}\n```", ("shot.jpg", screenshot(TRACEBACK, LIGHT)))
    answer = await group.answer()

    assert SLUG in shown(answer) and "Find a repair" in labels(answer)


async def test_explain_and_the_menu_and_a_direct_message_take_a_screenshot(
    group: StudyGroup,
) -> None:
    group.slash("explain", file=("shot.png", SHOT))
    first = await group.answer()
    message = group.say("", ("shot.png", SHOT), author=group.world.bot)
    group.menu("Explain this error", message)
    second = await group.answer(3)
    direct = group.world.direct_channel(group.learner)
    group.say("", ("shot.png", SHOT), channel=direct)
    third = await group.answer(1, direct)

    for answer in (first, second, third):
        assert SLUG in shown(answer)
        assert say(Language.EN, "button.correct") in labels(answer)


async def test_an_edit_of_the_words_reads_the_picture_no_second_time(
    group: StudyGroup, read: list[str]
) -> None:
    post = group.say("what is this?", ("shot.png", SHOT))
    answer = await group.answer()
    group.world.edit(post, {"content": f"```python\n{CODE}\n```"})
    await until(lambda: "Find a repair" in labels(answer))

    assert read == ["shot.png"]


@pytest.mark.parametrize("locale", ["en-US", "ja", "zh-CN"])
async def test_the_asker_corrects_the_text_and_the_answer_changes_in_place(
    group: StudyGroup, locale: str
) -> None:
    group.say("?", ("shot.png", SHOT))
    answer = await group.answer()
    opened = group.press(answer, "tutor:correct", locale=locale)
    await until(lambda: opened.modal is not None)
    assert parse(form_value(opened)).errors[0].message == MESSAGE
    await group.fill_in(opened, OTHER, locale=locale)
    await until(lambda: SLUG not in shown(answer))
    await group.answer()

    assert OTHER in read_text_in(answer)
    assert len(group.bot_messages()) == 1
    kept = await group.bot.desk.store.by_answer(answer.id)
    assert kept is not None and kept.text is None
    assert kept.correction == Correction.of(form_value(opened), OTHER)


async def test_a_correction_stays_when_the_words_beside_the_picture_are_edited(
    group: StudyGroup,
) -> None:
    post = group.say("?", ("shot.png", SHOT))
    answer = await group.answer()
    opened = group.press(answer, "tutor:correct")
    await group.fill_in(opened, OTHER)
    await until(lambda: OTHER in read_text_in(answer) and "Find a repair" not in labels(answer))
    group.world.edit(post, {"content": f"```python\n{CODE}\n```"})
    await until(lambda: "Find a repair" in labels(answer))

    assert OTHER in read_text_in(answer) and SLUG not in shown(answer)
    again = group.press(answer, "tutor:correct")
    await until(lambda: again.modal is not None)
    assert form_value(again) == OTHER


async def test_another_picture_is_read_anew_after_a_correction(group: StudyGroup) -> None:
    post = group.say("?", ("shot.png", SHOT))
    answer = await group.answer()
    opened = group.press(answer, "tutor:correct")
    await group.fill_in(opened, OTHER)
    await until(lambda: OTHER in read_text_in(answer))
    wider = TRACEBACK.replace("11", "12")
    group.world.edit(post, {"attachments": []}, [Upload("new.png", screenshot(wider))])
    await until(lambda: SLUG in shown(answer))

    assert parse(read_text_in(answer)).errors[0].message == MESSAGE.replace("11", "12")


async def test_an_answer_by_menu_and_its_buttons_know_the_edited_post(group: StudyGroup) -> None:
    post = group.say(TRACEBACK, author=group.friend)
    await group.answer()
    group.menu("Explain this error", post)
    answer = await group.answer(2)
    group.world.edit(post, {"content": OTHER})
    await until(lambda: SLUG not in shown(answer))

    await idle()
    kept = await group.bot.desk.store.by_answer(answer.id)
    assert kept is not None and kept.text == OTHER


async def test_somebody_elses_correction_is_answered_to_them_alone(group: StudyGroup) -> None:
    group.say("?", ("shot.png", SHOT))
    answer = await group.answer()
    opened = group.press(answer, "tutor:correct", user=group.friend)
    await group.fill_in(opened, OTHER)
    theirs = await group.answer(2)

    assert theirs.ephemeral and SLUG not in shown(theirs)
    assert SLUG in shown(answer)


async def test_an_emptied_correction_is_refused(group: StudyGroup) -> None:
    group.say("?", ("shot.png", SHOT))
    answer = await group.answer()
    opened = group.press(answer, "tutor:correct")
    await group.fill_in(opened, " ")
    told = await group.answer(2)

    assert told.ephemeral and SLUG in shown(answer)
