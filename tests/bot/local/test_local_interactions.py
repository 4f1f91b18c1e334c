"""Interactions on the local Discord: deferred, followed up, refused when late or answered twice."""

from __future__ import annotations

import asyncio
import io

import discord
from local_bot import LOCALE, ProbeBot, press, soon, until, use

from bot.local.model import JSON, Channel, InteractionType
from bot.local.server import LocalDiscord


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


def test_interaction_kinds_have_discords_numbers() -> None:
    assert [int(kind) for kind in InteractionType] == [
        discord.InteractionType.application_command.value,
        discord.InteractionType.component.value,
        discord.InteractionType.autocomplete.value,
        discord.InteractionType.modal_submit.value,
    ]
