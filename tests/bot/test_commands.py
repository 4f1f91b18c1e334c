"""/explain, /run and the menus: text, file or form, in the person's language."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from study_group import (
    CODE,
    MAX_BYTES,
    MESSAGE,
    POST,
    SLUG,
    TOKEN,
    TRACEBACK,
    StudyGroup,
    labels,
    shown,
    study_group,
    until,
)

from bot.local.commands import localized, message_commands, slash_commands
from bot.local.model import Phase
from bot.local.server import LocalDiscord
from bot.locale import say
from knowledge.language import Language
from knowledge.search import Searcher
from sandbox.protocol import Device, Result, Snippet, Status
from sandbox.runner import DeviceUnavailable, SandboxError


async def test_commands_and_menus_are_named_in_three_languages(group: StudyGroup) -> None:
    commands = [slash.command for slash in slash_commands(group.world)]
    commands += message_commands(group.world)
    names = {
        locale: {localized(command, "name", locale) for command in commands}
        for locale in ("en-US", "ja", "zh-CN", "zh-TW")
    }

    assert names["en-US"] == {"explain", "run", "tutor", "Explain this error", "Run this code"}
    assert names["ja"] == {"説明", "実行", "チューター", "このエラーを説明", "このコードを実行"}
    assert names["zh-CN"] == names["zh-TW"]
    assert names["zh-CN"] == {"解释", "运行", "助教", "解释这个报错", "运行这段代码"}


async def test_commands_are_sent_to_discord_only_when_they_changed_or_were_lost(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    sent: list[str] = []

    def count(call: object) -> None:
        if getattr(call, "method", "") == "PUT":
            sent.append(getattr(call, "template", ""))

    local.rest.observers.append(count)
    for _ in range(2):
        async with study_group(local, searcher, tmp_path / "tutor.db"):
            pass
    assert len(sent) == 1

    registered = [slash.name for slash in slash_commands(local.world)]
    local.world.commands.clear()
    async with study_group(local, searcher, tmp_path / "tutor.db") as group:
        assert len(sent) == 2
        assert [slash.name for slash in slash_commands(group.world)] == registered


async def test_explain_takes_a_text(group: StudyGroup) -> None:
    group.slash("explain", text=TRACEBACK.replace("\n", " "))
    answer = await group.answer()

    assert SLUG in shown(answer) and "11" in shown(answer)
    assert not answer.ephemeral


async def test_explain_takes_a_file(group: StudyGroup) -> None:
    group.slash("explain", file=("train.log", TRACEBACK.encode("utf-16")))

    assert SLUG in shown(await group.answer())


@pytest.mark.parametrize(
    ("locale", "language"), [("en-US", Language.EN), ("ja", Language.JA), ("zh-TW", Language.ZH)]
)
async def test_explain_without_anything_opens_a_form_in_the_persons_language(
    group: StudyGroup, locale: str, language: Language
) -> None:
    opened = group.slash("explain", locale=locale)
    await group.fill_in(opened, TRACEBACK, locale=locale)
    answer = await group.answer()

    assert opened.modal is not None
    assert opened.modal["title"] == say(language, "modal.explain.title")
    assert SLUG in shown(answer)
    assert say(language, "answer.fix") in shown(answer)
    assert say(language, "button.example") in labels(answer)


async def test_a_form_takes_a_file_instead(group: StudyGroup) -> None:
    opened = group.slash("explain")
    await group.fill_in(opened, file=("log.txt", TRACEBACK.encode()))

    assert SLUG in shown(await group.answer())


async def test_an_english_discord_gets_a_japanese_post_explained_in_japanese(
    group: StudyGroup,
) -> None:
    group.slash("explain", text="この層でエラーになります。 " + TRACEBACK.splitlines()[-1])

    assert say(Language.JA, "answer.fix") in shown(await group.answer())


async def test_explain_says_when_it_is_not_sure_and_offers_the_nearest(group: StudyGroup) -> None:
    group.make_unsure()
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer()

    assert say(Language.EN, "unsure.title") in shown(answer)
    assert len(labels(answer)) >= 2
    group.press(answer, f"tutor:show:0:{SLUG}")
    opened = await group.answer(2)
    assert opened.ephemeral
    assert "11" in shown(opened)


@pytest.mark.parametrize(
    ("file", "key", "values"),
    [
        (("a.log", b"\0\1\2"), "binary", {"name": "a.log"}),
        (("a.log", b"x" * (MAX_BYTES + 1)), "too_large", {"name": "a.log", "limit": "20,000"}),
        (("a.log", b"caf\xe9"), "not_utf8", {"name": "a.log", "position": "3"}),
        (("a.log", b"  \n"), "empty", {"name": "a.log"}),
    ],
)
async def test_a_bad_file_is_refused_in_words(
    group: StudyGroup, file: tuple[str, bytes], key: str, values: dict[str, str]
) -> None:
    group.slash("explain", file=file, locale="ja")

    assert shown(await group.answer()).strip() == say(Language.JA, f"input.{key}", **values)


@pytest.mark.parametrize("command", ["explain", "run"])
async def test_an_empty_form_is_refused_for_the_persons_eyes_only(
    group: StudyGroup, command: str
) -> None:
    opened = group.slash(command, locale="zh-CN")
    await group.fill_in(opened, "  ", locale="zh-CN")
    answer = await group.answer()

    assert answer.ephemeral
    assert say(Language.ZH, "name.post") in shown(answer)


async def test_run_takes_one_line_and_shows_how_it_ended(group: StudyGroup) -> None:
    group.slash("run", code="print('it ran')")
    answer = await group.answer()

    assert group.sandbox.ran[0].code == "print('it ran')"
    assert group.sandbox.ran[0].device is Device.CPU
    assert "Ran without error" in shown(answer) and "it ran" in shown(answer)
    assert labels(answer) == ["Delete"]


async def test_run_takes_a_file_and_a_device(group: StudyGroup) -> None:
    group.slash("run", file=("demo.py", b"x = 1\n"), device="cuda")
    await group.answer()

    assert group.sandbox.ran[0].code == "x = 1\n"
    assert group.sandbox.ran[0].device is Device.CUDA


@pytest.mark.parametrize(
    ("locale", "language"), [("en-US", Language.EN), ("ja", Language.JA), ("zh-CN", Language.ZH)]
)
async def test_run_by_form_takes_several_lines_and_explains_a_failure(
    group: StudyGroup, locale: str, language: Language
) -> None:
    opened = group.slash("run", locale=locale)
    await group.fill_in(opened, f"```python\n{CODE}\n```", locale=locale)
    answer = await group.answer()

    assert group.sandbox.ran[0].code == CODE
    assert say(language, "run.title.error") in shown(answer)
    assert MESSAGE in shown(answer) and SLUG in shown(answer)
    assert say(language, "button.confirm") in labels(answer)


async def test_the_device_chosen_beside_a_form_is_used(group: StudyGroup) -> None:
    opened = group.slash("run", device="cuda")
    await group.fill_in(opened, "x = 1")
    await group.answer()

    assert group.sandbox.ran[0].device is Device.CUDA


async def test_a_long_run_is_deferred_in_time_and_then_shown(group: StudyGroup) -> None:
    with group.sandbox.held():
        started = group.slash("run", code="while True: pass")
        await until(lambda: started.phase is Phase.ANSWERED)

        assert started.response is not None and started.response.loading
        await asyncio.sleep(0.2)
        group.sandbox.endings["while True"] = Result(status=Status.TIMEOUT, wall_s=15.0)

    answer = await group.answer()
    assert say(Language.EN, "run.title.timeout") in shown(answer)


async def test_explain_this_error_works_on_a_message(group: StudyGroup) -> None:
    message = group.say(f"look\n{TRACEBACK}", author=group.world.bot)
    group.menu("Explain this error", message, locale="ja")
    answer = await group.answer(2)

    assert SLUG in shown(answer)
    assert say(Language.JA, "answer.fix") in shown(answer)


async def test_explain_this_error_looks_at_the_message_replied_to(group: StudyGroup) -> None:
    post = group.say(TRACEBACK, author=group.world.bot)
    reply = group.say("can somebody help with this?", reply_to=post, author=group.world.bot)
    group.menu("Explain this error", reply)

    assert SLUG in shown(await group.answer(3))


async def test_run_this_code_runs_the_code_of_a_message_or_of_the_one_replied_to(
    group: StudyGroup,
) -> None:
    post = group.say("try this\n```py\nprint(7)\n```", author=group.world.bot)
    reply = group.say("does that work?", reply_to=post, author=group.world.bot)
    group.menu("Run this code", post)
    group.menu("Run this code", reply)
    await group.answer(4)

    assert [snippet.code.strip() for snippet in group.sandbox.ran] == ["print(7)", "print(7)"]


@pytest.mark.parametrize(
    ("menu", "text", "files", "key"),
    [
        ("Run this code", "no code here", (), "no_code"),
        ("Explain this error", "", (("a.gif", b"GIF89a"),), "no_text"),
    ],
)
async def test_a_menu_on_a_message_without_the_thing_says_what_to_do(
    group: StudyGroup, menu: str, text: str, files: tuple[tuple[str, bytes], ...], key: str
) -> None:
    message = group.say(text, *files, author=group.world.bot)
    group.menu(menu, message, locale="zh-CN")

    assert shown(await group.answer(2)).strip() == say(Language.ZH, f"input.{key}")


async def test_an_answer_from_a_menu_is_taken_away_with_its_message(group: StudyGroup) -> None:
    group.make_unsure()  # so that the post itself is not answered
    message = group.say(TRACEBACK)
    group.menu("Explain this error", message)
    await group.answer()
    group.world.delete(message)

    await until(lambda: group.bot_messages() == [])


async def test_a_sandbox_that_cannot_start_is_told_in_words(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **_more: object) -> Result:
        raise SandboxError("Landlock is missing; use a newer kernel")

    monkeypatch.setattr(group.sandbox, "run", refuse)
    group.slash("run", code="x = 1")

    assert "Landlock is missing; use a newer kernel" in shown(await group.answer())


async def test_a_device_that_is_not_there_is_named_with_what_to_choose(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(snippet: Snippet, *_: object, **_more: object) -> Result:
        raise DeviceUnavailable(snippet.device, "no GPU")

    monkeypatch.setattr(group.sandbox, "run", refuse)
    group.slash("run", code="x = 1", device="cuda", locale="ja")
    expected = say(Language.JA, "trouble.device", device=say(Language.JA, "device.cuda"))

    assert shown(await group.answer()).strip() == expected


async def test_an_unforeseen_failure_is_a_sentence_with_an_id_and_never_a_token(
    group: StudyGroup, caplog: pytest.LogCaptureFixture
) -> None:
    group.slash("run", code="crash", locale="ja")
    told = shown(await group.answer()).strip()

    number = next(word for word in told.split() if len(word) == 8)
    assert told == say(Language.JA, "trouble.unexpected", id=number)
    assert number in caplog.text and "the walls fell" in caplog.text
    assert TOKEN not in told


async def test_the_text_of_a_command_is_kept_only_as_long_as_it_may_be(group: StudyGroup) -> None:
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer()
    kept = await group.bot.desk.store.by_answer(answer.id)

    assert kept is not None
    assert kept.text == TRACEBACK and kept.slug == SLUG


async def test_a_posted_text_is_never_kept(group: StudyGroup) -> None:
    post = group.say(POST)
    await group.answer()

    [kept] = await group.bot.desk.store.by_post(post.id)
    assert kept.text is None
