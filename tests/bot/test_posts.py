"""Posts in a channel: answered, kept up to date, and left alone where silence is better."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from study_group import (
    CODE,
    MAX_BYTES,
    MESSAGE,
    OTHER_TRACEBACK,
    POST,
    SLUG,
    TOKEN,
    TRACEBACK,
    StudyGroup,
    idle,
    labels,
    local_discord,
    shown,
    study_group,
    until,
)

from bot.local.server import LocalDiscord
from bot.locale import say
from knowledge.language import Language
from knowledge.search import Searcher


async def test_a_posted_traceback_is_answered_as_a_reply_that_pings_nobody(
    group: StudyGroup,
) -> None:
    post = group.say(POST)
    answer = await group.answer()

    assert answer.reference == post.id
    assert answer.mentions == () and not answer.everyone
    assert "11" in shown(answer) and "7" in shown(answer)
    assert SLUG in shown(answer)
    assert labels(answer) == [
        *("Find a repair", "Run the example", "Confirm my fix", "Details", "Delete"),
        *("Helped", "Did not help"),
    ]


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("この層でエラーになります。助けてください。", Language.JA),
        ("这一层报错了，请问怎么改？", Language.ZH),
    ],
)
async def test_a_post_is_answered_in_its_own_language(
    group: StudyGroup, words: str, language: Language
) -> None:
    group.say(f"{words}\n```\n{TRACEBACK}\n```")
    answer = await group.answer()

    assert say(language, "button.example") in labels(answer)
    assert say(language, "answer.fix") in shown(answer)


@pytest.mark.parametrize("name", ["message.txt", "train.log"])
async def test_a_traceback_in_a_file_is_read(group: StudyGroup, name: str) -> None:
    group.say("help please", (name, TRACEBACK.encode()))

    assert SLUG in shown(await group.answer())


async def test_code_in_a_file_and_the_error_in_the_words_make_one_post(group: StudyGroup) -> None:
    group.say(TRACEBACK, ("demo.py", CODE.encode()))
    answer = await group.answer()
    opened = group.press(answer, "tutor:confirm")
    await until(lambda: opened.modal is not None)

    assert (
        CODE in str(opened.modal["components"][0]["component"].get("value")) if opened.modal else 0
    )


async def test_chat_and_unreadable_files_are_met_with_silence(
    group: StudyGroup, searcher: Searcher
) -> None:
    await asyncio.to_thread(
        searcher.load
    )  # what chat means is looked up; a new index takes a while
    group.say("good morning everyone!")
    group.say("a picture", ("loss.png", b"\x89PNG"))
    group.say("a log", ("train.log", b"\0\1\2\3"))
    group.say("a longer log", ("train.log", b"x" * (MAX_BYTES + 1)))

    await group.silence()


async def test_a_post_that_is_not_recognised_is_met_with_silence(group: StudyGroup) -> None:
    group.make_unsure()
    group.say(POST)

    await group.silence()


async def test_a_bot_is_never_answered(group: StudyGroup) -> None:
    group.say(POST, author=group.world.bot)

    await group.silence(expected=1)


async def test_a_mention_is_answered_even_when_nothing_is_sure(group: StudyGroup) -> None:
    group.make_unsure()
    group.say(f"<@{group.world.bot.id}> {POST}")
    answer = await group.answer()

    assert say(Language.EN, "unsure.title") in shown(answer)
    assert say(Language.EN, "unsure.hint") in shown(answer)
    assert labels(answer)[-1] == "Delete"


async def test_a_mention_under_somebodys_post_explains_that_post(group: StudyGroup) -> None:
    post = group.say(f"```\n{OTHER_TRACEBACK}\n```", author=group.world.bot)
    group.say(f"<@{group.world.bot.id}> please", reply_to=post)
    answer = await group.answer(2)

    assert "8" in shown(answer)
    assert say(Language.EN, "unsure.title") not in shown(answer)


async def test_thanks_under_an_answer_is_no_question(group: StudyGroup) -> None:
    group.say(POST)
    answer = await group.answer()
    group.say("thanks, that helped!", reply_to=answer)

    await group.silence(expected=1)


@pytest.mark.parametrize(
    ("file", "key", "values"),
    [
        (("train.log", b"\0\1\2"), "binary", {"name": "train.log"}),
        (("train.log", b"\xff\xfa"), "not_utf8", {"name": "train.log", "position": "0"}),
        (("a.txt", b"x" * (MAX_BYTES + 1)), "too_large", {"name": "a.txt", "limit": "20,000"}),
    ],
)
async def test_a_bad_file_is_named_to_somebody_who_asked(
    group: StudyGroup, file: tuple[str, bytes], key: str, values: dict[str, str]
) -> None:
    group.say(f"<@{group.world.bot.id}> look", file)

    assert shown(await group.answer()).strip() == say(Language.EN, f"input.{key}", **values)


async def test_a_direct_message_is_always_answered(group: StudyGroup) -> None:
    direct = group.world.direct_channel(group.learner)
    group.say(POST, channel=direct)
    assert SLUG in shown(await group.answer(1, direct))

    group.say("", ("empty.txt", b" "), channel=direct)
    expected = say(Language.EN, "input.empty", name="empty.txt")
    assert expected in shown(await group.answer(2, direct))


async def test_an_edit_updates_the_answer_in_place(group: StudyGroup) -> None:
    post = group.say(POST)
    answer = await group.answer()
    group.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})
    await until(lambda: SLUG not in shown(answer))

    assert "[2, 3]" in shown(answer)
    assert len(group.bot_messages()) == 1


async def test_an_edit_that_takes_the_error_out_takes_the_answer_away(group: StudyGroup) -> None:
    post = group.say(POST)
    await group.answer()
    group.world.edit(post, {"content": "solved, it was a typo"})

    await until(lambda: group.bot_messages() == [])


async def test_a_traceback_that_is_edited_in_is_answered(group: StudyGroup) -> None:
    post = group.say("oh no")
    await group.silence()
    group.world.edit(post, {"content": POST})

    assert (await group.answer()).reference == post.id


async def test_deleting_a_post_deletes_its_answer(group: StudyGroup) -> None:
    post = group.say(POST)
    await group.answer()
    group.world.delete(post)

    await until(lambda: group.bot_messages() == [])
    await idle()
    assert await group.bot.desk.store.by_post(post.id) == ()


async def test_edits_and_deletions_are_followed_after_a_restart(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        post = before.say(POST)
        answer = await before.answer()
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        after.world.edit(post, {"content": f"```\n{OTHER_TRACEBACK}\n```"})
        await until(lambda: SLUG not in shown(answer))
        after.world.delete(post)
        await until(lambda: after.bot_messages() == [])


async def test_many_posts_at_once_each_get_their_own_answer(group: StudyGroup) -> None:
    posts = [group.say(POST.replace("5x11", f"5x{20 + number}")) for number in range(12)]
    await until(lambda: len(group.bot_messages()) == len(posts))

    by_post = {message.reference: shown(message) for message in group.bot_messages()}
    assert all(str(20 + number) in by_post[post.id] for number, post in enumerate(posts))


async def test_without_the_content_intent_mentions_and_direct_messages_are_answered(
    monkeypatch: pytest.MonkeyPatch, searcher: Searcher, tmp_path: Path
) -> None:
    async with (
        local_discord(monkeypatch, message_content=False) as local,
        study_group(local, searcher, tmp_path / "tutor.db", message_content=False) as group,
    ):
        direct = group.world.direct_channel(group.learner)
        group.say(POST)
        mention = group.say(f"<@{group.world.bot.id}> {POST}")
        group.say(POST, channel=direct)

        assert (await group.answer()).reference == mention.id
        assert SLUG in shown(await group.answer(1, direct))
        await group.silence(expected=1)


async def test_a_failure_is_a_sentence_with_a_number_that_stands_in_the_log(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the library burned down")

    monkeypatch.setattr(group.bot.desk.tutor, "answer", fail)
    with caplog.at_level(logging.ERROR):
        group.say(f"<@{group.world.bot.id}> {POST}")
        told = shown(await group.answer()).strip()

    number = told.rpartition(" ")[2].rstrip(".")
    assert told == say(Language.EN, "trouble.unexpected", id=number)
    assert number in caplog.text and "the library burned down" in caplog.text
    assert "library burned" not in told and TOKEN not in caplog.text


async def test_a_post_that_vanishes_while_it_is_read_leaves_no_answer(group: StudyGroup) -> None:
    post = group.say(POST)
    group.world.delete(post)

    await group.silence()
    assert MESSAGE not in "".join(map(shown, group.bot_messages()))
