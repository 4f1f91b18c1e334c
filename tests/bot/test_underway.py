"""While something runs its message shows how far it is, and whoever asked can end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from study_group import CODE, POST, StudyGroup, idle, labels, shown, until

from bot import underway
from bot.local.model import Message
from bot.locale import say
from bot.underway import progress_text
from knowledge.language import Language
from sandbox.protocol import Limits, Result, Snippet, Status
from sandbox.runner import Progress, Watch


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(underway, "EVERY_S", 0.05)


def loading(group: StudyGroup) -> list[Message]:
    return [each for each in group.world.messages(group.help) if each.author == group.world.bot]


async def showing(group: StudyGroup, holds: Callable[[str], bool]) -> Message:
    """The bot's message whose words make `holds` true."""
    await until(lambda: any(holds(shown(each)) for each in loading(group)))
    return next(each for each in loading(group) if holds(shown(each)))


async def test_those_who_wait_see_how_many_come_before_them(group: StudyGroup) -> None:
    with group.sandbox.held():
        for number in range(3):
            group.slash("run", code=f"x = {number}")

        await showing(group, lambda text: say(Language.EN, "progress.waiting", ahead=1) in text)
        await showing(group, lambda text: say(Language.EN, "progress.next") in text)

    await group.answer(3)

    assert all("it ran" in shown(each) for each in group.bot_messages())


async def test_output_is_shown_while_it_comes_and_the_result_takes_its_place(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = asyncio.Event()

    async def slow(
        snippet: Snippet, limits: Limits | None = None, *, watch: Watch | None = None
    ) -> Result:
        assert watch is not None
        watch(Progress(0, running=True, stdout="epoch 1\n"))
        await more.wait()
        watch(Progress(0, running=True, stdout="epoch 1\nepoch 2\n"))
        return Result(status=Status.OK, exit_code=0, stdout="epoch 1\nepoch 2\nend\n")

    monkeypatch.setattr(group.sandbox, "run", slow)
    group.slash("run", code="train()", locale="ja")

    message = await showing(group, lambda text: "epoch 1" in text)
    assert say(Language.JA, "progress.running") in shown(message)
    assert labels(message) == [say(Language.JA, "button.stop")]
    more.set()
    await until(lambda: "end" in shown(message))
    await idle()
    assert say(Language.JA, "progress.running") not in shown(message)
    assert say(Language.JA, "button.stop") not in labels(message)


async def test_what_ends_at_once_is_never_shown_under_way(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underway, "EVERY_S", 30)
    monkeypatch.setattr(underway, "progress_text", lambda *_: pytest.fail("shown under way"))
    group.slash("run", code="x = 1")

    assert "it ran" in shown(await group.answer())


async def test_the_asker_stops_a_run_by_its_button(group: StudyGroup) -> None:
    with group.sandbox.held():
        group.slash("run", code="x = 1")
        message = await showing(group, lambda text: say(Language.EN, "progress.running") in text)

        group.press(message, "tutor:stop:")
        await until(lambda: say(Language.EN, "input.stopped") in shown(message))

    await idle()
    assert group.sandbox.ran == []
    group.slash("run", code="x = 2")
    assert "it ran" in shown(await group.answer(2))


async def test_a_friend_cannot_stop_it(group: StudyGroup) -> None:
    with group.sandbox.held():
        group.slash("run", code="x = 1")
        message = await showing(group, lambda text: say(Language.EN, "progress.running") in text)

        group.press(message, "tutor:stop:", user=group.friend)
        await until(
            lambda: any(say(Language.EN, "input.not_yours") in shown(m) for m in loading(group))
        )

    await until(lambda: "it ran" in shown(message))


async def test_deleting_the_post_ends_the_run_of_its_code(group: StudyGroup) -> None:
    with group.sandbox.held():
        group.make_unsure()
        post = group.say(f"```python\n{CODE}\n```")
        group.menu("Run this code", post)
        await showing(group, lambda text: say(Language.EN, "progress.running") in text)

        group.world.delete(post)
        await showing(group, lambda text: say(Language.EN, "input.stopped") in text)

    await idle()
    assert group.sandbox.ran == []


async def test_deleting_the_post_ends_the_search_for_a_repair(group: StudyGroup) -> None:
    post = group.say(POST)
    answer = await group.answer()
    with group.sandbox.held():
        group.press(answer, "tutor:repair:")
        await showing(group, lambda text: say(Language.EN, "progress.running") in text)

        group.world.delete(post)
        await showing(group, lambda text: say(Language.EN, "input.stopped") in text)

    await idle()
    assert group.sandbox.ran == []


async def test_taking_the_message_away_ends_the_run(group: StudyGroup) -> None:
    with group.sandbox.held():
        group.slash("run", code="x = 1")
        message = await showing(group, lambda text: say(Language.EN, "progress.running") in text)

        group.world.delete(message)
        await until(lambda: not group.bot.desk.underway.stop(message.id))

    await idle()
    assert group.sandbox.ran == []


def test_what_a_snippet_prints_cannot_break_out_of_the_progress() -> None:
    text = progress_text(Progress(0, running=True, stdout="```\n@everyone \u202e"), Language.EN)

    assert text.count("```") == 2
    assert "@everyone" not in text
    assert "\u202e" not in text
