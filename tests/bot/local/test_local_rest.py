"""The local Discord's HTTP API, used by a real discord.py client."""

from __future__ import annotations

import io

import aiohttp
import discord
import pytest
from local_bot import TOKEN, ProbeBot

from bot.local.model import Channel, Upload
from bot.local.server import LocalDiscord


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


@pytest.mark.refused_by_discord
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


@pytest.mark.refused_by_discord
async def test_a_file_above_the_limit_is_refused(
    local: LocalDiscord, bot: ProbeBot, help_channel: Channel
) -> None:
    channel = bot.get_channel(help_channel.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.HTTPException) as refused:
        await channel.send(file=discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big.bin"))
    assert (refused.value.status, refused.value.code) == (413, 40005)
