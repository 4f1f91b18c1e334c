"""The local Discord's gateway, spoken to by a real discord.py client and by hand."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import discord
import pytest
from local_bot import TOKEN, ProbeBot, running, soon, until

from bot.local.opcodes import Close
from bot.local.server import LocalDiscord, LocalDiscordError


async def test_a_real_client_logs_in_and_sees_the_guild(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(local, monkeypatch) as bot:
        assert bot.user is not None
        assert bot.user.id == local.world.bot.id
        guild = bot.guilds[0]
        assert guild.name == "PyTorch study group"
        assert [channel.name for channel in guild.text_channels] == ["help", "general"]
        assert guild.owner_id == local.world.people[0].id


async def test_a_wrong_token_is_refused(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.world.token = "another"
    with pytest.raises(discord.LoginFailure):
        async with running(local, monkeypatch):
            pass


async def test_a_posted_message_reaches_the_bot_and_its_reply_the_channel(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch) as bot:
        posted = world.say(you, channel, "RuntimeError: mat1 and mat2 …")
        heard = await soon(bot.heard)
        await heard.reply("It is the shapes.", mention_author=False)
    answer = world.messages(channel)[-1]
    assert heard.content == posted.content
    assert answer.author == world.bot
    assert answer.reference == posted.id
    assert answer.mentions == ()


async def test_without_the_content_intent_only_mentions_and_direct_messages_can_be_read(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    intents = discord.Intents(guilds=True, messages=True)
    async with running(local, monkeypatch, ProbeBot(intents)) as bot:
        world.say(you, channel, "unread")
        world.say(you, channel, f"<@{world.bot.id}> read")
        world.say(you, world.direct_channel(you), "read too")
        heard = [(await soon(bot.heard)).content for _ in range(3)]
    assert heard == ["", f"<@{world.bot.id}> read", "read too"]


async def test_edits_and_deletions_are_told(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch) as bot:
        message = world.say(you, channel, "first")
        world.edit(message, {"content": "second"})
        world.delete(message)
        edit, deletion = await soon(bot.edits), await soon(bot.deletions)
    assert edit.message.content == "second"
    assert deletion.message_id == message.id


async def test_a_dropped_connection_is_resumed_and_nothing_is_lost(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch) as bot:
        await local.gateway.drop()
        world.say(you, channel, "said while the line was down")
        heard = await soon(bot.heard)
        async with asyncio.timeout(5):
            await bot.resumed.wait()
        assert heard.content == "said while the line was down"
        assert bot.ready_count == 1


async def test_an_invalid_session_makes_the_bot_identify_again(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("discord.backoff.ExponentialBackoff.delay", lambda self: 0.01)
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch) as bot:
        local.gateway.forget_sessions()
        await local.gateway.drop()
        await until(lambda: bot.ready_count == 2)
        world.say(you, channel, "hello again")
        assert (await soon(bot.heard)).content == "hello again"
        assert not bot.resumed.is_set()


async def test_a_request_to_reconnect_is_followed_by_a_resume(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(local, monkeypatch) as bot:
        local.gateway.ask_to_reconnect()
        async with asyncio.timeout(5):
            await bot.resumed.wait()


async def test_guild_events_go_to_one_shard_and_direct_messages_to_the_first(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch, ProbeBot(shard_count=3)) as bot:
        world.say(you, channel, "in the guild")
        world.say(you, world.direct_channel(you), "in private")
        heard = {(await soon(bot.heard)).content for _ in range(2)}
        await asyncio.sleep(0.05)
        assert heard == {"in the guild", "in private"}
        assert bot.heard.empty()


async def test_heartbeats_and_their_acknowledgements_are_noted(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.gateway.heartbeat_ms = 200
    async with running(local, monkeypatch):
        pulse = local.gateway.pulses[-1]
        await until(lambda: len(pulse.beats(since=0.0)) >= 2)
    first, second = pulse.beats(since=0.0)[:2]
    assert pulse.interval_s == 0.2
    assert first.acknowledged_s > 0 and second.late_s > -pulse.interval_s
    assert pulse.beats(since=pulse.came[-1] + 1) == []


async def test_a_burst_arrives_complete_and_in_order(
    local: LocalDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, you = local.world, local.world.people[0]
    channel = next(iter(world.channels.values()))
    async with running(local, monkeypatch) as bot:
        for number in range(1_500):
            world.say(you, channel, str(number))
        heard = [int((await soon(bot.heard)).content) for _ in range(1_500)]
    assert heard == [*range(1_500)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", Close.DECODE_ERROR),
        ('{"op": 8, "d": {}}', Close.NOT_AUTHENTICATED),
        ('{"op": 2, "d": {"token": "wrong", "intents": 1}}', Close.AUTHENTICATION_FAILED),
        (f'{{"op": 2, "d": {{"token": "{TOKEN}"}}}}', Close.DECODE_ERROR),
        (
            f'{{"op": 2, "d": {{"token": "{TOKEN}", "intents": 1, "shard": [3, 2]}}}}',
            Close.INVALID_SHARD,
        ),
    ],
)
async def test_the_gateway_hangs_up_with_discords_code(
    local: LocalDiscord, frame: str, code: Close
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(local.gateway.url) as socket,
    ):
        hello = json.loads((await socket.receive()).data)
        await socket.send_str(frame)
        async with asyncio.timeout(5):
            closing = await socket.receive()
    assert hello["op"] == 10
    assert closing.data == code


async def test_a_privileged_intent_that_is_not_granted_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalDiscord(port=0, token=TOKEN, page=False, message_content=False) as local:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with running(local, monkeypatch):
                pass


async def test_a_busy_port_is_named_with_the_remedy(local: LocalDiscord) -> None:
    port = int(local.url.rsplit(":", 1)[1])
    with pytest.raises(LocalDiscordError, match=f"Port {port} .* choose another port"):
        async with LocalDiscord(port=port, page=False):
            pass


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}]
)
async def test_pages_from_elsewhere_cannot_use_it(
    local: LocalDiscord, headers: dict[str, str]
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{local.url}/api/v10/gateway", headers=headers) as answer,
    ):
        assert answer.status == 403


async def test_heartbeats_are_acknowledged_and_a_silent_client_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalDiscord(port=0, token=TOKEN, page=False) as local:
        local.gateway.heartbeat_ms = 100
        async with running(local, monkeypatch) as bot:
            await until(lambda: local.gateway.heartbeats >= 4)
            assert bot.latency < 0.1
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(local.gateway.url) as socket,
        ):
            await socket.receive()
            async with asyncio.timeout(5):
                closing = await socket.receive()
            assert closing.data == Close.TIMED_OUT
