"""Commands on the local Discord: registered, found, and answered by a real discord.py client."""

from __future__ import annotations

import discord
from discord import app_commands
from local_bot import LOCALE, ProbeBot, until, use

from bot.local import commands
from bot.local.model import JSON, Channel, Phase, Upload
from bot.local.server import LocalDiscord


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
