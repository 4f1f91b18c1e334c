"""The local Discord's HTTP API, used by a real discord.py client; every request is held against
Discord's own description where that is at hand."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
import pytest_asyncio
from discord import app_commands
from local_bot import TOKEN, ProbeBot, running, soon, until

from bot.local import commands, errors
from bot.local.limits import check_commands, check_message, check_modal
from bot.local.model import JSON, Channel, InteractionType, Message, Phase, Upload
from bot.local.rest import Call
from bot.local.server import LocalDiscord

_BESIDE = Path(__file__).parents[3] / "shared" / "discord-openapi.json"
DESCRIPTION = Path(os.environ.get("TUTOR_DISCORD_OPENAPI") or _BESIDE)
HAS_DESCRIPTION = DESCRIPTION.exists()
LOCALE = "ja"


@pytest_asyncio.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalDiscord]:
    monkeypatch.delenv("TUTOR_DISCORD_OPENAPI", raising=False)
    async with LocalDiscord(port=0, token=TOKEN, page=False, answer_within=0.3) as started:
        if not HAS_DESCRIPTION:
            yield started
            return
        from bot.local.contract import Contract

        contract = Contract.load(DESCRIPTION)
        started.rest.observers.append(contract)
        yield started
        assert contract.violations == []


@pytest_asyncio.fixture
async def bot(local: LocalDiscord, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProbeBot]:
    async with running(local, monkeypatch) as client:
        yield client


@pytest.fixture
def help_channel(local: LocalDiscord) -> Channel:
    return next(iter(local.world.channels.values()))


def press(local: LocalDiscord, message: Message, *, values: tuple[str, ...] = ()) -> None:
    """Use the first button or select of `message` as the first person."""
    component = message.components[0]["components"][0]
    local.interactions.component(
        local.world.people[0], message, component, values=values, locale=LOCALE
    )


def use(local: LocalDiscord, channel: Channel, name: str, values: list[JSON]) -> None:
    """Use a slash command as the first person."""
    slash = next(item for item in commands.slash_commands(local.world) if item.name == name)
    local.interactions.slash(local.world.people[0], channel, slash, values, locale=LOCALE)


# -- messages


async def test_a_message_with_embed_picture_and_buttons_comes_back_whole(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    embed = discord.Embed(title="Shapes", description="*why*", colour=0xEE4C2C)
    embed.add_field(name="Expected", value="512").set_image(url="attachment://plot.png")
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Run the example", custom_id="run:1"))
    picture = discord.File(io.BytesIO(b"\x89PNG\r\n\x1a\nrest"), "plot.png", description="A plot")
    sent = await channel.send("Here", embed=embed, view=view, file=picture)
    fetched = await channel.fetch_message(sent.id)
    assert fetched.embeds[0].fields[0].value == "512"
    assert fetched.embeds[0].image.url == fetched.attachments[0].url
    assert fetched.attachments[0].description == "A plot"
    assert fetched.attachments[0].content_type == "image/png"
    assert await fetched.attachments[0].read() == b"\x89PNG\r\n\x1a\nrest"
    button = discord.ui.View.from_message(fetched).children[0]
    assert isinstance(button, discord.ui.Button)
    assert button.custom_id == "run:1"


async def test_a_message_is_edited_and_deleted(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    sent = await channel.send("first", file=discord.File(io.BytesIO(b"log"), "a.log"))
    edited = await sent.edit(content="second", attachments=[])
    assert (edited.content, edited.attachments) == ("second", [])
    assert edited.edited_at is not None
    await sent.delete()
    with pytest.raises(discord.NotFound) as gone:
        await channel.fetch_message(sent.id)
    assert gone.value.code == 10008


async def test_history_is_paged_and_hides_ephemeral_messages(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    you = local.world.people[0]
    for number in range(120):
        local.world.say(you, help_channel, str(number))
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    newest = [int(message.content) async for message in channel.history(limit=110)]
    oldest = [int(item.content) async for item in channel.history(limit=3, oldest_first=True)]
    assert newest == [*range(119, 9, -1)]
    assert oldest == [0, 1, 2]


async def test_a_direct_message_reaches_the_person(local: LocalDiscord, bot: ProbeBot) -> None:
    you = local.world.people[0]
    user = await bot.fetch_user(you.id)
    await user.send("privately")
    direct = local.world.direct_channel(you)
    assert local.world.messages(direct)[-1].content == "privately"


async def test_the_people_of_the_guild_are_not_pinged_unless_allowed(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    you = local.world.people[0]
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.send(f"@everyone <@{you.id}>")
    quiet = local.world.messages(help_channel)[-1]
    await channel.send(f"<@{you.id}>", allowed_mentions=discord.AllowedMentions(users=True))
    loud = local.world.messages(help_channel)[-1]
    assert (quiet.mentions, quiet.everyone) == ((), False)
    assert loud.mentions == (you,)


async def test_typing_and_reactions_are_accepted(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    message = local.world.say(local.world.people[0], help_channel, "thanks")
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    async with channel.typing():
        await channel.get_partial_message(message.id).add_reaction("👍")
    assert message.reactions == {"👍": {local.world.bot.id}}


async def test_the_bot_cannot_edit_what_a_person_wrote(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    message = local.world.say(local.world.people[0], help_channel, "mine")
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.Forbidden) as refused:
        await channel.get_partial_message(message.id).edit(content="not mine")
    assert refused.value.code == 50005
    assert message.content == "mine"


async def test_a_request_without_the_token_is_unauthorized(local: LocalDiscord) -> None:
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Bot wrong"}, {"Authorization": TOKEN}):
            address = f"{local.url}/api/v10/users/@me"
            async with session.get(address, headers=headers) as answer:
                assert answer.status == 401
                assert (await answer.json())["code"] == 0


async def test_a_body_that_is_no_json_is_named(local: LocalDiscord, help_channel: Channel) -> None:
    address = f"{local.url}/api/v10/channels/{help_channel.id}/messages"
    headers = {"Authorization": f"Bot {TOKEN}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data="{broken", headers=headers) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["code"] == 50109


async def test_files_are_served_so_that_a_browser_cannot_run_them(
    local: LocalDiscord, help_channel: Channel
) -> None:
    page = Upload("page.html", b"<script>alert(1)</script>")
    drawing = Upload("drawing.svg", b"<svg onload='alert(1)'/>")
    message = local.world.say(local.world.people[0], help_channel, "files", uploads=(page, drawing))
    async with aiohttp.ClientSession() as session:
        for attachment in message.attachments:
            async with session.get(attachment.url) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Content-Disposition"] == "attachment"
                assert "html" not in answer.headers["Content-Type"]
                assert "svg" not in answer.headers["Content-Type"]


async def test_a_file_above_the_limit_is_refused(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.HTTPException) as refused:
        await channel.send(file=discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big.bin"))
    assert (refused.value.status, refused.value.code) == (413, 40005)


# -- commands


async def test_commands_are_registered_with_their_translations_and_keep_their_ids(
    local: LocalDiscord, bot: ProbeBot
) -> None:
    @bot.tree.command(name="explain", description="Explain a traceback")
    @app_commands.choices(device=[app_commands.Choice(name="CPU", value="cpu")])
    async def explain(
        interaction: discord.Interaction,
        device: str,
        text: str | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        """Never called here."""

    @bot.tree.context_menu(name="Explain this error")
    async def on_message(interaction: discord.Interaction, message: discord.Message) -> None:
        """Never called here."""

    @bot.tree.command(name="admin", description="Admins only")
    @app_commands.default_permissions(administrator=True)
    async def admin(interaction: discord.Interaction) -> None:
        """Never called here."""

    first = await bot.tree.sync()
    again = await bot.tree.sync()
    fetched = await bot.tree.fetch_commands()
    assert {item.id for item in first} == {item.id for item in again}
    assert {item.name for item in fetched} == {"explain", "Explain this error", "admin"}
    everybody = commands.slash_commands(local.world, permissions=0)
    assert [item.name for item in everybody] == ["explain"]
    assert [item["name"] for item in everybody[0].options] == ["device", "text", "file"]
    owner = commands.slash_commands(local.world)
    assert [item.name for item in owner] == ["admin", "explain"]


async def test_a_slash_command_is_answered_in_the_persons_locale(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    @bot.tree.command(name="explain", description="Explain a traceback")
    async def explain(
        interaction: discord.Interaction, text: str, file: discord.Attachment | None = None
    ) -> None:
        content = (await file.read()).decode() if file else ""
        await interaction.response.send_message(f"{interaction.locale} {text} {content}")
        answer = await interaction.original_response()
        await answer.edit(content=f"{answer.content}!")

    await bot.tree.sync()
    held = local.world.attach(Upload("log.txt", b"from a file"), help_channel)
    slash = commands.slash_commands(local.world)[0]
    values: list[JSON] = [
        {"name": "text", "type": 3, "value": "why"},
        {"name": "file", "type": 11, "value": str(held.id)},
    ]
    local.interactions.slash(
        local.world.people[0], help_channel, slash, values, attachments=(held,), locale=LOCALE
    )
    await until(lambda: bool(local.world.messages(help_channel)))
    message = local.world.messages(help_channel)[-1]
    await until(lambda: message.content.endswith("!"))
    assert message.content == "ja why from a file!"
    assert message.origin is not None
    assert message.origin.name == "explain"


async def test_a_subcommand_of_a_group_is_found_and_used(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    group = app_commands.Group(name="tutor", description="The tutor")

    @group.command(name="gaps", description="Unanswered posts")
    async def gaps(interaction: discord.Interaction, days: int) -> None:
        await interaction.response.send_message(f"{days} days", ephemeral=True)

    bot.tree.add_command(group)
    await bot.tree.sync()
    use(local, help_channel, "tutor gaps", [{"name": "days", "type": 4, "value": 7}])
    await until(lambda: bool(local.world.messages(help_channel)))
    assert local.world.messages(help_channel)[-1].content == "7 days"


async def test_suggestions_are_asked_for_while_typing(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    @bot.tree.command(name="lookup", description="Look up an entry")
    async def lookup(interaction: discord.Interaction, entry: str) -> None:
        """Never called here."""

    @lookup.autocomplete("entry")
    async def complete(
        interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=current.upper(), value=current)]

    await bot.tree.sync()
    slash = commands.slash_commands(local.world)[0]
    value = {"name": "entry", "type": 3, "value": "mat", "focused": True}
    asked = local.interactions.autocomplete(
        local.world.people[0], help_channel, slash, [value], locale=LOCALE
    )
    await until(lambda: asked.phase is Phase.ANSWERED)
    assert asked.choices == [{"name": "MAT", "value": "mat"}]


async def test_a_message_command_gets_the_message(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    @bot.tree.context_menu(name="Explain this error")
    async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(message.content.upper(), ephemeral=True)

    await bot.tree.sync()
    world, you = local.world, local.world.people[0]
    target = world.say(world.people[1], help_channel, "help me")
    command = commands.message_commands(world)[0]
    local.interactions.on_message(you, command, target, locale=LOCALE)
    await until(lambda: len(world.messages(help_channel)) == 2)
    answer = world.messages(help_channel)[-1]
    assert (answer.content, answer.ephemeral, answer.visible_to) == ("HELP ME", True, you)
    assert not answer.seen_by(world.people[1])


# -- answering


async def test_a_deferred_answer_is_filled_by_the_first_follow_up(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    @bot.tree.command(name="run", description="Run code")
    async def run(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.followup.send("done", file=discord.File(io.BytesIO(b"1"), "out.txt"))
        second = await interaction.followup.send("more", wait=True)
        await second.delete()

    await bot.tree.sync()
    world = local.world
    use(local, help_channel, "run", [])
    await until(lambda: bool(world.messages(help_channel)))
    waiting = world.messages(help_channel)[0]
    assert waiting.loading
    await until(lambda: waiting.content == "done")
    assert not waiting.loading
    assert waiting.ephemeral
    assert waiting.edited is None
    assert [item.filename for item in waiting.attachments] == ["out.txt"]
    await asyncio.sleep(0.1)
    assert [*world.messages(help_channel)] == [waiting]


async def test_a_button_edits_its_message_and_opens_a_form(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    class Form(discord.ui.Modal, title="Confirm my fix"):
        code: discord.ui.TextInput[Form] = discord.ui.TextInput(label="Code")

        async def on_submit(self, interaction: discord.Interaction) -> None:
            assert interaction.message is not None
            await interaction.response.edit_message(content=f"got {self.code.value}", view=None)

    class Buttons(discord.ui.View):
        @discord.ui.button(label="Confirm my fix", style=discord.ButtonStyle.primary)
        async def confirm(
            self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
        ) -> None:
            await interaction.response.send_modal(Form())

    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.send("Press", view=Buttons(timeout=None))
    message = local.world.messages(help_channel)[-1]
    you = local.world.people[0]
    button = message.components[0]["components"][0]
    pressed = local.interactions.component(you, message, button, locale=LOCALE)
    await until(lambda: pressed.modal is not None)
    await asyncio.sleep(0.05)  # nobody fills in a form faster than the bot remembers it
    assert pressed.modal is not None
    assert pressed.modal["title"] == "Confirm my fix"
    row = pressed.modal["components"][0]
    field = row["components"][0]
    filled: JSON = {
        "type": 1,
        "components": [{"type": 4, "custom_id": field["custom_id"], "value": "x = 1"}],
    }
    local.interactions.submit(pressed, [filled], locale=LOCALE)
    await until(lambda: message.content == "got x = 1")
    assert message.components == []


async def test_a_select_delivers_the_chosen_values(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    class Choices(discord.ui.View):
        @discord.ui.select(
            options=[discord.SelectOption(label="A"), discord.SelectOption(label="B")]
        )
        async def choose(
            self, interaction: discord.Interaction, select: discord.ui.Select[Choices]
        ) -> None:
            await interaction.response.defer()
            await interaction.edit_original_response(content=f"chose {select.values[0]}")

    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    await channel.send("Choose", view=Choices(timeout=None))
    message = local.world.messages(help_channel)[-1]
    press(local, message, values=("B",))
    await until(lambda: message.content == "chose B")


async def test_an_answer_after_the_time_is_an_unknown_interaction(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    outcome: asyncio.Queue[int] = asyncio.Queue()

    @bot.tree.command(name="slow", description="Answers too late")
    async def slow(interaction: discord.Interaction) -> None:
        await asyncio.sleep(0.5)
        try:
            await interaction.response.send_message("too late")
        except discord.NotFound as error:
            outcome.put_nowait(error.code)

    await bot.tree.sync()
    use(local, help_channel, "slow", [])
    heard = await soon(bot.interactions)
    assert await soon(outcome) == 10062
    assert heard.type is discord.InteractionType.application_command
    assert [*local.world.messages(help_channel)] == []


async def test_a_second_answer_is_refused(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    outcome: asyncio.Queue[int] = asyncio.Queue()

    @bot.tree.command(name="twice", description="Answers twice")
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("once")
        interaction.response._response_type = None  # discord.py itself would notice
        try:
            await interaction.response.send_message("twice")
        except discord.HTTPException as error:
            outcome.put_nowait(error.code)

    await bot.tree.sync()
    use(local, help_channel, "twice", [])
    assert await soon(outcome) == 40060
    assert [item.content for item in local.world.messages(help_channel)] == ["once"]


async def test_an_observer_can_answer_in_place_of_the_server(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    from starlette.responses import JSONResponse, Response

    failures = [503]

    def fail_once(call: Call) -> Response | None:
        if call.template.endswith("/messages") and failures:
            return JSONResponse({"message": "no"}, status_code=failures.pop())
        return None

    local.rest.observers.append(fail_once)
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.DiscordServerError):
        await channel.send("first")
    await channel.send("second")
    assert [item.content for item in local.world.messages(help_channel)] == ["second"]


async def test_interactions_in_a_direct_channel_carry_the_user(
    local: LocalDiscord, bot: ProbeBot
) -> None:
    @bot.tree.command(name="hello", description="Says hello")
    async def hello(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"hello {interaction.user.name}")

    await bot.tree.sync()
    direct = local.world.direct_channel(local.world.people[0])
    use(local, direct, "hello", [])
    await until(lambda: bool(local.world.messages(direct)))
    assert local.world.messages(direct)[-1].content == "hello you"


# -- what Discord refuses


def _row(*children: JSON) -> JSON:
    return {"components": [{"type": 1, "components": [*children]}]}


def _button(**about: object) -> JSON:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go", **about}


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ({"content": "x" * 2_001}, "content"),
        ({"embeds": [{"description": "x" * 4_097}]}, "embeds"),
        ({"embeds": [{"description": "x" * 3_001}, {"description": "x" * 3_000}]}, "embeds"),
        ({"embeds": [{"fields": [{"name": "", "value": "x"}]}]}, "embeds"),
        ({"embeds": [{"fields": [{"name": "x", "value": "x" * 1_025}]}]}, "embeds"),
        ({"embeds": [{"title": "x"}] * 11}, "embeds"),
        (_row(*[_button(custom_id=str(number)) for number in range(6)]), "components"),
        (_row(_button(custom_id="x" * 101)), "components"),
        (_row(_button(), _button()), "components"),
        (_row({"type": 4, "custom_id": "in a message"}), "components"),
        ({"components": [_button()]}, "components"),
    ],
)
def test_a_message_beyond_the_limits_is_refused_by_field(payload: JSON, where: str) -> None:
    with pytest.raises(errors.ApiError) as refused:
        check_message(payload)
    assert refused.value.code == 50035
    assert refused.value.errors is not None
    assert [*refused.value.errors] == [where]


def test_a_message_at_the_limits_passes() -> None:
    check_message({"content": "x" * 2_000, "embeds": [{"description": "x" * 3_000}] * 2})
    check_message(_row(*[_button(custom_id=str(number)) for number in range(5)]))


def test_a_form_beyond_the_limits_is_refused() -> None:
    field = {"type": 4, "custom_id": "code", "style": 2, "label": "x" * 46, "value": "x" * 4_001}
    with pytest.raises(errors.ApiError) as refused:
        check_modal({"title": "x" * 46, "custom_id": "f", **_row(field)})
    assert refused.value.errors is not None
    assert {*refused.value.errors["data"]} == {"title", "components"}


@pytest.mark.parametrize(
    "command",
    [
        {"name": "Upper", "description": "x"},
        {"name": "two words", "description": "x"},
        {"name": "long", "description": "x" * 101},
        {"name": "silent", "description": ""},
        {"name": "ok", "description": "x", "name_localizations": {"ja": "x" * 33}},
        {
            "name": "order",
            "description": "x",
            "options": [
                {"type": 3, "name": "a", "description": "x"},
                {"type": 3, "name": "b", "description": "x", "required": True},
            ],
        },
    ],
)
def test_a_command_that_discord_would_refuse_is_refused(command: JSON) -> None:
    with pytest.raises(errors.ApiError):
        check_commands([command])


# -- the description itself


@pytest.mark.skipif(not HAS_DESCRIPTION, reason="Discord's OpenAPI description is not here")
@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("/channels/{channel_id}/messages", {"content": "x", "colour": 1}),
        ("/channels/{channel_id}/messages", {"content": 5}),
        ("/channels/{channel_id}/messages", {"embeds": [{"titel": "x"}]}),
        ("/channels/{channel_id}/nowhere", {}),
        ("/users/@me/channels", None),
    ],
)
def test_the_contract_finds_a_request_that_breaks_the_description(
    template: str, body: JSON | None
) -> None:
    from bot.local.contract import Contract

    contract = Contract.load(DESCRIPTION)
    contract(Call("POST", template, {"channel_id": "1"}, {}, body))
    assert len(contract.violations) == 1


def test_interaction_kinds_have_discords_numbers() -> None:
    assert [int(kind) for kind in InteractionType] == [
        discord.InteractionType.application_command.value,
        discord.InteractionType.component.value,
        discord.InteractionType.autocomplete.value,
        discord.InteractionType.modal_submit.value,
    ]
