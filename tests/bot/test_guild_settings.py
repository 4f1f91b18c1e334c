"""`/tutor settings`: admins choose, each choice holds at once and after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError
from sqlalchemy import URL
from study_group import (
    CODE,
    POST,
    SLUG,
    StudyGroup,
    idle,
    labels,
    shown,
    study_group,
    until,
)

from bot.database import Database
from bot.guilds import Guilds, GuildSettings, Place, QuietHours, Runners
from bot.local.commands import slash_commands
from bot.local.model import Interaction, Message, User, walk
from bot.local.server import LocalDiscord
from bot.local.world import GUILD_ID
from bot.locale import say
from bot.records import GuildRecord
from knowledge.language import Language
from knowledge.search import Searcher
from sandbox.protocol import Device

FULL = GuildSettings(
    channels=(2**62, 7),
    place=Place.THREAD,
    language=Language.ZH,
    runners=Runners.ROLE,
    runner_role=2**61,
    gpu=False,
    quiet=QuietHours(begin=time(22), end=time(7, 30), zone="Asia/Tokyo"),
    store_posts=True,
)


async def open_settings(
    group: StudyGroup, *, locale: str = "en-US", user: User | None = None
) -> Interaction:
    command = next(item for item in slash_commands(group.world) if item.name == "tutor settings")
    opened = group.local.interactions.slash(
        user or group.learner, group.help, command, [], locale=locale
    )
    await until(lambda: opened.response is not None)
    await idle()
    return opened


async def use(
    group: StudyGroup, panel: Message, control: str, *values: int | str, locale: str = "en-US"
) -> Interaction:
    """Choose in a select, or press a button, of the settings."""
    component = next(
        item
        for item in walk(panel.components)
        if item.get("custom_id", "").startswith(f"tutor:set:{control}")
    )
    used = group.local.interactions.component(
        group.learner, panel, component, values=[str(value) for value in values], locale=locale
    )
    await until(lambda: used.phase.value != "waiting")
    await idle()
    return used


async def chosen(group: StudyGroup) -> GuildSettings:
    return await Guilds(group.bot.desk.store.database).get(GUILD_ID)


@pytest_asyncio.fixture
async def panel(group: StudyGroup) -> Message:
    response = (await open_settings(group)).response
    assert response is not None
    return response


@pytest.mark.parametrize("language", Language)
async def test_an_admin_sees_all_settings_in_their_language(
    group: StudyGroup, language: Language
) -> None:
    opened = await open_settings(group, locale=language.value)

    assert opened.response is not None and opened.response.ephemeral
    told = shown(opened.response)
    for name in set(GuildSettings.model_fields) - {"runner_role"}:
        assert say(language, f"settings.{name}.name") in told
    assert say(language, "settings.place.to.thread") in labels(opened.response)


async def test_a_member_who_may_not_manage_the_server_is_refused_in_words(
    group: StudyGroup,
) -> None:
    opened = await open_settings(group, user=group.friend)

    assert opened.response is not None and opened.response.ephemeral
    assert opened.response.content == say(Language.EN, "trouble.not_allowed.managers")


async def test_a_control_checks_again_who_uses_it(group: StudyGroup, panel: Message) -> None:
    button = next(
        item
        for item in walk(panel.components)
        if item.get("custom_id", "").startswith("tutor:set:gpu")
    )
    used = group.local.interactions.component(group.friend, panel, button, locale="ja")
    await until(lambda: used.response is not None)

    assert used.response is not None
    assert used.response.content == say(Language.JA, "trouble.not_allowed.managers")
    assert await chosen(group) == GuildSettings()


async def test_every_control_changes_one_thing_and_shows_it(
    group: StudyGroup, panel: Message
) -> None:
    general = next(c for c in group.world.channels.values() if c.name == "general")
    mentor = group.world.mentor.id
    for control, values, expected in (
        ("channels", (general.id,), {"channels": (general.id,)}),
        ("channels", (), {"channels": ()}),
        ("language", ("ja",), {"language": Language.JA}),
        ("language", ("auto",), {"language": None}),
        ("runners", ("nobody",), {"runners": Runners.NOBODY}),
        ("role", (mentor,), {"runners": Runners.ROLE, "runner_role": mentor}),
        ("runners", ("everyone",), {"runners": Runners.EVERYONE}),
        ("place", (), {"place": Place.THREAD}),
        ("place", (), {"place": Place.REPLY}),
        ("gpu", (), {"gpu": False}),
        ("gpu", (), {"gpu": True}),
        ("store_posts", (), {"store_posts": True}),
        ("store_posts", (), {"store_posts": False}),
    ):
        before = await chosen(group)
        words = shown(panel)
        await use(group, panel, control, *values)

        assert await chosen(group) == before.model_copy(update=expected)
        assert shown(panel) != words


async def test_the_controls_outlive_a_restart_and_so_do_the_choices(
    local: LocalDiscord, searcher: Searcher, tmp_path: Path
) -> None:
    async with study_group(local, searcher, tmp_path / "tutor.db") as before:
        panel = (await open_settings(before)).response
        assert panel is not None
        await use(before, panel, "gpu")
    async with study_group(local, searcher, tmp_path / "tutor.db") as after:
        await use(after, panel, "language", "zh")

        assert await chosen(after) == GuildSettings(gpu=False, language=Language.ZH)


async def quiet_form(group: StudyGroup, panel: Message, **fields: str) -> Interaction:
    opened = await use(group, panel, "quiet")
    assert opened.modal is not None
    components = [
        {
            "type": 18,
            "component": {
                "type": 4,
                "custom_id": label["component"]["custom_id"],
                "value": fields.get(label["component"]["custom_id"], ""),
            },
        }
        for label in opened.modal["components"]
    ]
    sent = group.local.interactions.submit(opened, components, locale="en-US")
    await until(lambda: sent.phase.value != "waiting")
    await idle()
    return sent


async def test_quiet_hours_are_asked_for_in_a_form(group: StudyGroup, panel: Message) -> None:
    await quiet_form(group, panel, begin="22:00", end="07:30", zone="asia/tokyo")

    assert (await chosen(group)).quiet == FULL.quiet
    assert "22:00–07:30 (Asia/Tokyo)" in shown(panel)

    await quiet_form(group, panel)

    assert (await chosen(group)).quiet is None


@pytest.mark.parametrize(
    "fields",
    [
        {"begin": "22:00", "end": "07:00", "zone": "Mars/Olympus"},
        {"begin": "25:00", "end": "07:00", "zone": "UTC"},
        {"begin": "22:00", "zone": "UTC"},
        {"begin": "07:00", "end": "07:00", "zone": "UTC"},
    ],
)
async def test_unusable_quiet_hours_are_explained(
    group: StudyGroup, panel: Message, fields: dict[str, str]
) -> None:
    sent = await quiet_form(group, panel, **fields)

    assert sent.response is not None
    assert sent.response.content == say(Language.EN, "input.quiet_hours")
    assert (await chosen(group)).quiet is None


# -- what the choices do


async def put(group: StudyGroup, **update: Any) -> None:
    settings = GuildSettings().model_copy(update=update)
    await group.bot.desk.conduct.guilds.put(GUILD_ID, settings)


async def test_only_watched_channels_and_their_threads_are_answered_unasked(
    group: StudyGroup,
) -> None:
    general = next(c for c in group.world.channels.values() if c.name == "general")
    await put(group, channels=(general.id,))
    group.say(POST)
    await group.silence()

    begun = group.say("look here", channel=general)
    thread = group.world.thread(begun, "a thread")
    post = group.say(POST, channel=thread)

    assert (await group.answer(1, thread)).reference == post.id
    group.say(f"<@{group.world.bot.id}> {POST}", author=group.friend)
    assert SLUG in shown(await group.answer(1))  # whoever asks is answered everywhere


async def test_an_answer_in_a_thread_follows_its_post(group: StudyGroup) -> None:
    await put(group, place=Place.THREAD)
    post = group.say(POST)
    await until(lambda: post.id in group.world.channels)
    thread = group.world.channels[post.id]
    answer = await group.answer(1, thread)

    assert SLUG in shown(answer) and 1 <= len(thread.name) <= 100
    assert group.bot_messages() == []

    group.press(answer, "tutor:confirm")
    group.world.edit(post, {"content": "solved"})
    await until(lambda: group.bot_messages(thread) == [])


async def test_posts_are_answered_in_the_language_of_the_server(group: StudyGroup) -> None:
    await put(group, language=Language.ZH)
    group.say(POST)

    assert say(Language.ZH, "button.delete") in labels(await group.answer())

    group.slash("explain", text=POST, locale="ja")
    assert say(Language.ZH, "button.delete") in labels(await group.answer(2))


async def test_in_quiet_hours_only_those_who_ask_are_answered(group: StudyGroup) -> None:
    now = datetime.now(UTC)
    quiet = QuietHours(begin=time((now.hour - 2) % 24), end=time((now.hour + 2) % 24), zone="UTC")
    await put(group, quiet=quiet)
    group.say(POST)
    await group.silence()
    mention = group.say(f"<@{group.world.bot.id}> {POST}")

    assert (await group.answer()).reference == mention.id


async def test_where_nobody_may_run_code_commands_and_buttons_say_so(group: StudyGroup) -> None:
    post = group.say(POST)
    answer = await group.answer()
    await put(group, runners=Runners.NOBODY)
    refused = say(Language.EN, "trouble.not_allowed.nobody_runs")

    asked = [
        group.slash("run", code=CODE),
        group.slash("run"),
        group.menu("Run this code", post),
        *(group.press(answer, f"tutor:{name}") for name in ("repair", "example", "confirm")),
    ]
    for one in asked:
        await until(lambda one=one: one.response is not None)
        assert one.response is not None and one.response.ephemeral
        assert one.response.content == refused
    assert group.sandbox.ran == []


async def test_a_role_may_run_code_and_others_are_told_which(group: StudyGroup) -> None:
    await put(group, runners=Runners.ROLE, runner_role=group.world.mentor.id)
    refused = group.slash("run", code="print(1)")
    await until(lambda: refused.response is not None)

    assert refused.response is not None
    role = f"<@&{group.world.mentor.id}>"
    expected = say(Language.EN, "trouble.not_allowed.role_runs", role=role)
    assert refused.response.content == expected

    group.world.mentors.add(group.learner.id)
    group.slash("run", code="print(1)")
    await until(lambda: len(group.sandbox.ran) == 1)


async def test_without_the_gpu_runs_go_to_the_processor_only(group: StudyGroup) -> None:
    await put(group, gpu=False)
    refused = group.slash("run", code="print(1)", device="cuda")
    await until(lambda: refused.response is not None)

    assert refused.response is not None
    assert refused.response.content == say(Language.EN, "trouble.not_allowed.no_gpu")

    group.slash("run", code="print(1)", device="cpu")
    await until(lambda: len(group.sandbox.ran) == 1)
    assert group.sandbox.ran[0].device is Device.CPU


# -- how they are kept


async def test_settings_are_kept_whole(address: Path | URL) -> None:
    database = Database(address)
    await database.open()
    await Guilds(database).put(2**62, FULL)

    assert await Guilds(database).get(2**62) == FULL
    assert await Guilds(database).get(1) == GuildSettings()
    assert await Guilds(database).get(None) == GuildSettings()
    await database.close()


async def test_broken_settings_count_as_none_and_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(tmp_path / "tutor.db")
    await database.open()
    async with database.session.begin() as session:
        session.add(GuildRecord(guild_id=5, settings='{"place": "moon"}'))

    assert await Guilds(database).get(5) == GuildSettings()
    assert "settings of guild 5 are not used" in caplog.text
    await database.close()


@pytest.mark.parametrize(
    ("begin", "end", "moment", "quiet"),
    [
        (time(22), time(7), "2026-01-01T13:30+00:00", True),  # 22:30 in Tokyo
        (time(22), time(7), "2026-01-01T22:00+00:00", False),  # 07:00 in Tokyo
        (time(9), time(17), "2026-01-01T00:00+00:00", True),
        (time(9), time(17), "2026-01-01T08:00+00:00", False),
    ],
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(
    begin: time, end: time, moment: str, quiet: bool
) -> None:
    hours = QuietHours(begin=begin, end=end, zone="Asia/Tokyo")
    assert hours.covers(datetime.fromisoformat(moment)) is quiet


def test_a_time_zone_has_a_name_that_exists() -> None:
    with pytest.raises(ValidationError):
        QuietHours(begin=time(1), end=time(2), zone="../etc/passwd")
