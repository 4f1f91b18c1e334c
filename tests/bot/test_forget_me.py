"""`/tutor forget-me`: afterwards the database holds nothing about that person."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, select
from study_group import POST, StudyGroup, study_group

from bot.local.server import LocalDiscord
from bot.locale import say
from bot.records import Record
from knowledge.language import Language
from knowledge.search import Searcher

UNKNOWN = "Traceback (most recent call last):\nLabError: the zymurgy of node 7 is off"
WORDS = "zymurgy"


async def rows(group: StudyGroup) -> list[str]:
    """Every row of every table, as text."""
    found: list[str] = []
    async with group.bot.desk.store.database.session() as session:
        for table in Record.metadata.sorted_tables:
            found += [f"{table.name} {tuple(row)}" for row in await session.execute(select(table))]
    return found


async def test_everything_about_a_person_goes_and_nothing_about_others(
    local: LocalDiscord, searcher: Searcher, address: Path | URL
) -> None:
    async with study_group(local, searcher, address) as group:
        await group.allow(store_posts=True)
        group.say(POST, author=group.friend)
        answer = await group.answer()
        pressed = group.press(answer, "tutor:vote:down", user=group.friend)
        await group.told(await group.fill_fields(pressed, text=f"remark {WORDS}"))
        group.say(UNKNOWN, author=group.friend)
        mention = f"<@{group.world.bot.id}> "
        group.say(f"{mention}{UNKNOWN}", author=group.friend)
        await group.answer(3)
        asked = group.slash("explain", text=f"what is this: {UNKNOWN}", user=group.friend)
        await group.told(asked)
        group.slash("explain", text=POST)  # by somebody else
        await group.answer(5)
        theirs, others = str(group.friend.id), str(group.learner.id)
        before = await rows(group)
        assert {row.split()[0] for row in before if theirs in row} == {
            "answers",
            "gaps",
            "posts",
            "votes",
        }
        assert any(WORDS in row for row in before)

        asking = group.slash("tutor forget-me", user=group.friend, locale="ja")
        question = await group.told(asking)
        assert question.ephemeral and question.content == say(Language.JA, "forget.ask")
        assert await rows(group) == before
        await group.told(group.press(question, "tutor:forget-me", user=group.friend, locale="ja"))

        after = await rows(group)
        assert [row for row in after if theirs in row or WORDS in row] == []
        assert [row for row in after if others in row] == [row for row in before if others in row]
        done = say(Language.JA, "forget.done", answers=3, posts=2, votes=1, gaps=4)
        assert question.content == done and question.components == []
        if isinstance(address, Path):
            stored = b"".join(path.read_bytes() for path in address.parent.glob("tutor.db*"))
            assert WORDS.encode() not in stored


async def test_there_may_be_nothing_to_forget(group: StudyGroup) -> None:
    question = await group.told(group.slash("tutor forget-me"))
    await group.told(group.press(question, "tutor:forget-me"))

    assert question.content == say(Language.EN, "forget.done", answers=0, posts=0, votes=0, gaps=0)
