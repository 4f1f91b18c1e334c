"""`/tutor teach`: proven in the sandbox, live at once, or refused with the reason."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from study_group import (
    FAILED,
    StudyGroup,
    idle,
    labels,
    shown,
    study_group,
    until,
)

from bot.local.model import Interaction, Message
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.locale import say
from bot.settings import Settings
from bot.teach import Teacher
from knowledge.encoder import Encoder
from knowledge.language import Language
from knowledge.library import Library, check_folder
from knowledge.search import Searcher
from sandbox.pool import Pool
from sandbox.protocol import ExceptionReport, Result, Status

FAILS = 'kettle = 7\nraise RuntimeError(f"the zymurgy of node {kettle} is off")'
WORKS = 'print("brewing")'
LESSON = {
    "title": "The kettle was not turned on",
    "cause": "Nobody turned the kettle on. Its switch {is} at the back.",
    "fix": "Turn it on before `brew()`.",
    "fails": f"```python\n{FAILS}\n```",
    "works": WORKS,
}
RAISED = Result(
    status=Status.ERROR,
    exit_code=1,
    exception=ExceptionReport(
        type="RuntimeError",
        message="the zymurgy of node 7 is off",
        traceback="Traceback (most recent call last):\n"
        '  File "main.py", line 2, in <module>\nRuntimeError: the zymurgy of node 7 is off',
        line=2,
    ),
)


def post(node: int) -> str:
    return (
        "why?\n```python\n"
        f"{FAILS}\n```\n```\nTraceback (most recent call last):\n"
        f'  File "/home/somebody/lab.py", line 2, in <module>\n'
        f"RuntimeError: the zymurgy of node {node} is off\n```"
    )


@asynccontextmanager
async def lab(
    local: LocalDiscord, folder: Path, encoder: Encoder, pool: Pool | None = None
) -> AsyncIterator[StudyGroup]:
    """A study group that can be taught; entering again is a restart."""
    cache, entries = folder / "cache", folder / "entries"
    if not cache.exists():
        cache.mkdir()
        entries.mkdir()
        for path in Settings().cache.glob("*.index"):
            shutil.copy2(path, cache)
    library = Library(entries)
    searcher = Searcher(library.current(), encoder=encoder, cache=cache)
    async with study_group(
        local, searcher, folder / "tutor.db", library=library, entries=entries, runner=pool
    ) as group:
        group.sandbox.endings = {"zymurgy": RAISED}
        yield group


@pytest.fixture(scope="module")
def encoder(searcher: Searcher) -> Encoder:
    return Encoder()


@pytest_asyncio.fixture
async def taught(
    local: LocalDiscord, tmp_path: Path, encoder: Encoder
) -> AsyncIterator[StudyGroup]:
    async with lab(local, tmp_path, encoder) as group:
        yield group


async def teach(
    group: StudyGroup, *, locale: str = "en-US", asked: Interaction | None = None, **change: str
) -> Message:
    opened = asked or group.slash("tutor teach", locale=locale)
    sent = await group.fill_fields(opened, locale=locale, **{**LESSON, **change})
    return await group.told(sent)


def pages(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "entries").rglob("*") if path.is_file())


async def test_a_lesson_is_proven_in_the_real_sandbox_and_live_at_once(
    local: LocalDiscord, tmp_path: Path, encoder: Encoder, pool: Pool
) -> None:
    async with lab(local, tmp_path, encoder, pool) as group:
        told = await teach(group)

        assert told.ephemeral and say(Language.EN, "taught.title") in shown(told)
        [page] = pages(tmp_path)
        assert page == tmp_path / "entries" / "group" / "the-zymurgy-of-node-is.md"
        assert "the zymurgy of node {count:d} is off" in page.read_text()
        assert check_folder(tmp_path / "entries") == ()

        group.say(post(12), author=group.friend)
        answer = await group.answer(2)
        assert LESSON["title"] in shown(answer)
        assert "Nobody turned the kettle on." in shown(answer)


async def test_what_it_answers_now_leaves_the_list_of_gaps(
    taught: StudyGroup, tmp_path: Path
) -> None:
    await taught.allow(store_posts=True)
    taught.say(post(3))
    taught.say(post(4), author=taught.friend)
    await taught.silence()
    listed = await taught.told(taught.slash("tutor gaps"))
    opened = taught.press(listed, "tutor:teach")
    await until(lambda: opened.modal is not None)
    assert opened.modal is not None
    begun = {
        label["component"]["custom_id"]: label["component"].get("value")
        for label in opened.modal["components"]
    }
    assert begun["fails"] == FAILS and not begun["works"]

    told = await teach(taught, asked=opened)

    assert say(Language.EN, "taught.answers", count=2) in shown(told)
    assert await taught.bot.desk.learned.gaps(GUILD_ID) == ()
    assert "somebody" not in pages(tmp_path)[0].read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"works": FAILS}, "flaw.works_not"),
        ({"fails": "print('brewing')"}, "flaw.same_output"),
        ({"fails": "layer(torch.randn(5, 11))"}, "flaw.others_first"),
    ],
)
@pytest.mark.parametrize("language", [Language.EN, Language.JA])
async def test_what_does_not_hold_is_refused_with_the_reason_and_the_text(
    taught: StudyGroup,
    tmp_path: Path,
    change: dict[str, str],
    reason: str,
    language: Language,
) -> None:
    taught.sandbox.endings["randn(5, 11)"] = FAILED
    told = await teach(taught, locale=language.value, **change)

    assert say(language, "taught.refused") in shown(told)
    assert say(language, reason, said="\0", ranked="\0").split("\0")[0] in shown(told)
    assert pages(tmp_path) == []
    assert [file.filename for file in told.attachments] == ["draft.md"]

    again = taught.press(told, "tutor:again", locale=language.value)
    taken = await teach(taught, locale=language.value, asked=again)
    assert say(language, "taught.title") in shown(taken)


async def test_a_file_that_could_not_be_shown_is_refused_by_name(
    taught: StudyGroup, tmp_path: Path
) -> None:
    told = await teach(taught, cause="One.\n\n## Another heading\n\nTwo.")

    assert "Another heading" in shown(told)
    assert pages(tmp_path) == []


async def test_a_broken_sandbox_costs_nobody_their_text(taught: StudyGroup, tmp_path: Path) -> None:
    sent = await taught.fill_fields(taught.slash("tutor teach"), **{**LESSON, "fails": "crash"})
    await until(lambda: any("Open the form again" in labels(m) for m in taught.bot_messages()))
    offered = next(m for m in taught.bot_messages() if "Open the form again" in labels(m))

    assert sent.response is not None and "TUTOR" not in shown(sent.response)
    again = taught.press(offered, "tutor:again")
    await until(lambda: again.modal is not None)
    assert again.modal is not None
    values = {one["component"]["custom_id"]: one["component"] for one in again.modal["components"]}
    assert values["cause"]["value"] == LESSON["cause"]
    assert pages(tmp_path) == []


async def test_who_writes_japanese_is_read_in_japanese_and_others_are_told(
    taught: StudyGroup, tmp_path: Path
) -> None:
    await teach(
        taught,
        locale="ja",
        title="やかんの電源が入っていない",
        cause="やかんの電源が入っていません。スイッチは裏にあります。",
        fix="先に電源を入れてください。",
    )
    assert "language: ja" in pages(tmp_path)[0].read_text(encoding="utf-8")
    assert check_folder(tmp_path / "entries") == ()

    taught.slash("explain", text=post(5), locale="ja")
    japanese = await taught.answer(2)
    assert "やかんの電源が入っていません。" in shown(japanese)
    assert say(Language.JA, "answer.only_in.ja") not in shown(japanese)
    taught.slash("explain", text=post(5))
    english = await taught.answer(3)
    assert say(Language.EN, "answer.only_in.ja") in shown(english)


async def test_a_lesson_can_be_taken_back(taught: StudyGroup, tmp_path: Path) -> None:
    told = await teach(taught)
    gone = await taught.told(taught.press(told, "tutor:take-back"))

    assert gone.content == say(Language.EN, "taught.taken_back", slug="the-zymurgy-of-node-is")
    assert pages(tmp_path) == []
    taught.say(post(5))
    await taught.silence(2)

    again = await taught.told(taught.press(told, "tutor:take-back"))
    assert again.content == say(Language.EN, "input.not_taught")


async def test_it_lasts_over_a_restart_and_can_be_exported(
    local: LocalDiscord, tmp_path: Path, encoder: Encoder
) -> None:
    async with lab(local, tmp_path, encoder) as before:
        empty = await before.told(before.slash("tutor export"))
        assert empty.content == say(Language.EN, "input.nothing_taught")
        await teach(before)
    async with lab(local, tmp_path, encoder) as after:
        exported = await after.told(after.slash("tutor export"))

        assert exported.ephemeral
        [file] = exported.attachments
        held = after.world.files.get(file.id)
        assert held is not None
        with zipfile.ZipFile(io.BytesIO(held[1])) as archive:
            [name] = archive.namelist()
            assert name == "group/the-zymurgy-of-node-is.md"
            assert archive.read(name) == pages(tmp_path)[0].read_bytes()
        after.say(post(5))
        await until(lambda: any(LESSON["title"] in shown(m) for m in after.bot_messages()))


@pytest.mark.parametrize("command", ["teach", "export"])
async def test_only_who_manages_the_server_may_teach(taught: StudyGroup, command: str) -> None:
    asked = taught.slash(f"tutor {command}", user=taught.friend, locale="ja")
    refused = await taught.told(asked)

    assert asked.modal is None
    assert refused.content == say(Language.JA, "trouble.not_allowed.managers")


async def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(
    taught: StudyGroup, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "entries")
    (tmp_path / "entries").write_text("no folder")
    sent = await taught.fill_fields(taught.slash("tutor teach"), **LESSON)
    await until(lambda: any("Open the form again" in labels(m) for m in taught.bot_messages()))
    await idle()

    assert sent.response is not None
    assert "TUTOR_ENTRIES" in shown(sent.response)


def test_of_many_servers_only_the_named_ones_may_teach(searcher: Searcher) -> None:
    tutor = object()
    alone = Teacher(tutor)  # type: ignore[arg-type]
    assert alone.is_open_to(5, only_guild=True) and not alone.is_open_to(5, only_guild=False)
    named = Teacher(tutor, guilds=frozenset({5}))  # type: ignore[arg-type]
    assert named.is_open_to(5, only_guild=False) and not named.is_open_to(6, only_guild=True)


def test_entries_stand_beside_the_database_unless_a_folder_is_named(tmp_path: Path) -> None:
    assert Settings(database=tmp_path / "x.db").entries_folder() == tmp_path / "entries"
    assert Settings(entries=tmp_path / "own").entries_folder() == tmp_path / "own"
    assert Settings(database="postgresql://u@h/d").entries_folder().name == "entries"
