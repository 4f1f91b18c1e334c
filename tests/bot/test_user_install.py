"""Somebody brings the bot along to a place that it is not in: commands and menus work there."""

from __future__ import annotations

from typing import Any

import pytest
from screenshots import screenshot
from starlette.responses import JSONResponse, Response
from study_group import SLUG, TRACEBACK, StudyGroup, idle, labels, shown, until

from bot.local import payloads
from bot.local.commands import message_commands, slash_commands
from bot.local.model import JSON, Interaction
from bot.local.rest import Call
from bot.local.world import World

ELSEWHERE = "1200000000000000000"


@pytest.fixture(params=["another server", "a private conversation"])
def brought_along(
    group: StudyGroup, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> list[str]:
    """From now on interactions come from elsewhere; the list names what the bot tries there."""
    in_a_server = request.param == "another server"
    real = payloads.interaction_json

    def elsewhere(world: World, interaction: Interaction) -> JSON:
        body = real(world, interaction)
        user = payloads.user_json(interaction.user)
        body["authorizing_integration_owners"] = {"1": user["id"]}
        body["context"] = 0 if in_a_server else 2
        if in_a_server:
            body["guild_id"] = ELSEWHERE
            body["guild"] = {"id": ELSEWHERE, "locale": "en-US", "features": []}
        else:
            for key in ("guild_id", "guild", "guild_locale", "member"):
                body.pop(key, None)
            body["user"] = user
            body["channel"] = {"id": body["channel_id"], "type": 3, "flags": 0, "name": None}
        return body

    tried: list[str] = []

    def refuse(call: Call) -> Response | None:
        if not call.template.startswith("/channels/"):
            return None
        tried.append(f"{call.method} {call.template}")
        return JSONResponse({"message": "Missing Access", "code": 50001}, 403)

    monkeypatch.setattr(payloads, "interaction_json", elsewhere)
    group.local.rest.observers.append(refuse)
    return tried


async def test_every_command_and_menu_can_be_installed_by_a_person(group: StudyGroup) -> None:
    commands: list[dict[str, Any]] = [
        *(slash.command for slash in slash_commands(group.world)),
        *message_commands(group.world),
    ]
    anywhere = [one for one in commands if one["name"] != "tutor"]

    assert len(anywhere) == 4
    for command in anywhere:
        assert command["integration_types"] == [0, 1], command["name"]
        assert command["contexts"] == [0, 1, 2], command["name"]


async def test_explain_answers_through_the_interaction_alone(
    group: StudyGroup, brought_along: list[str]
) -> None:
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer()

    assert SLUG in shown(answer)
    assert brought_along == []


async def test_the_menu_reads_the_message_that_came_with_the_interaction(
    group: StudyGroup, brought_along: list[str]
) -> None:
    message = group.say("look", ("error.log", TRACEBACK.encode()), author=group.world.bot)
    group.menu("Explain this error", message)

    assert SLUG in shown(await group.answer(2))
    assert brought_along == []


async def test_a_reply_is_never_looked_up_where_the_bot_is_not(
    group: StudyGroup, brought_along: list[str]
) -> None:
    post = group.say(TRACEBACK, author=group.world.bot)
    reply = group.say("what is this?", reply_to=post, author=group.world.bot)
    group.menu("Explain this error", reply)
    await group.answer(3)

    assert brought_along == []


async def test_run_and_the_buttons_work_there(group: StudyGroup, brought_along: list[str]) -> None:
    group.slash("run", code="print('it ran')")
    assert "it ran" in shown(await group.answer())
    group.slash("explain", text=TRACEBACK)
    answer = await group.answer(2)
    group.press(answer, f"tutor:show:0:{SLUG}")
    details = await group.answer(3)
    group.press(answer, "tutor:delete")

    assert details.ephemeral and "11" in shown(details)
    assert "Details" in labels(answer)
    await until(lambda: answer not in group.bot_messages())
    await idle()
    assert [call for call in brought_along if "GET" in call] == []


async def test_a_screenshot_is_read_there(group: StudyGroup, brought_along: list[str]) -> None:
    group.slash("explain", file=("shot.png", screenshot(TRACEBACK)))

    assert SLUG in shown(await group.answer())
    assert brought_along == []
