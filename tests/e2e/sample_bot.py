"""A small real discord.py bot that uses everything the page can show. Started as a process.

python sample_bot.py API GATEWAY TOKEN
"""

from __future__ import annotations

import asyncio
import io
import struct
import sys
import zlib

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

_NAMES = {
    "explain": {"ja": "解説", "zh-CN": "解释"},
    "Explain an error": {"ja": "エラーを解説します", "zh-CN": "解释一个报错"},
    "text": {"ja": "テキスト", "zh-CN": "文本"},
    "file": {"ja": "ファイル", "zh-CN": "文件"},
    "Explain this error": {"ja": "このエラーを解説", "zh-CN": "解释这个报错"},
}


class Translator(app_commands.Translator):
    """Names the commands in three languages."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        return _NAMES.get(string.message, {}).get(locale.value)


def plot() -> bytes:
    """A small picture."""
    rows = b"".join(b"\x00" + bytes((x * 2 % 256, 90, 180) * 1)[:3] * 120 for x in range(80))
    header = struct.pack(">IIBBBBB", 120, 80, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class Form(discord.ui.Modal, title="Confirm my fix"):
    """Asks for code."""

    code: discord.ui.TextInput[Form] = discord.ui.TextInput(
        label="Code", style=discord.TextStyle.paragraph, placeholder="import torch"
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(
            f"```py\n{self.code.value}\n```{interaction.locale}", ephemeral=True
        )


class Buttons(discord.ui.View):
    """One button of each kind of outcome."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Run the example", style=discord.ButtonStyle.success)
    async def run(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        await interaction.response.defer(thinking=True)
        await asyncio.sleep(0.3)
        await interaction.followup.send(
            "ran",
            files=[
                discord.File(io.BytesIO(b"step 1 loss 2.3\nstep 2 loss 1.9\n"), "output.txt"),
                discord.File(io.BytesIO(plot()), "plot.png"),
            ],
        )

    @discord.ui.button(label="Confirm my fix", style=discord.ButtonStyle.primary)
    async def confirm(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.button(label="Silent", style=discord.ButtonStyle.danger)
    async def silent(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        """Answers nothing."""

    @discord.ui.button(label="Done", style=discord.ButtonStyle.secondary)
    async def done(
        self, interaction: discord.Interaction, button: discord.ui.Button[Buttons]
    ) -> None:
        button.disabled = True
        await interaction.response.edit_message(content="**Done**", view=self)

    @discord.ui.select(
        placeholder="Other matches",
        options=[discord.SelectOption(label="One"), discord.SelectOption(label="Two")],
    )
    async def choose(
        self, interaction: discord.Interaction, select: discord.ui.Select[Buttons]
    ) -> None:
        await interaction.response.send_message(f"chose {select.values[0]}", ephemeral=True)


class Picks(discord.ui.View):
    """One select of each kind, each telling what was chosen as discord.py read it."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.select(
        placeholder="Languages",
        min_values=1,
        max_values=2,
        options=[
            discord.SelectOption(label="English", description="the first"),
            discord.SelectOption(label="Japanese"),
            discord.SelectOption(label="Chinese"),
        ],
    )
    async def languages(
        self, interaction: discord.Interaction, select: discord.ui.Select[Picks]
    ) -> None:
        await interaction.response.send_message(" and ".join(select.values))

    @discord.ui.select(cls=discord.ui.UserSelect, placeholder="Who", min_values=0)
    async def who(
        self, interaction: discord.Interaction, select: discord.ui.UserSelect[Picks]
    ) -> None:
        await interaction.response.send_message(f"users {[user.name for user in select.values]}")

    @discord.ui.select(cls=discord.ui.RoleSelect, placeholder="Roles")
    async def roles(
        self, interaction: discord.Interaction, select: discord.ui.RoleSelect[Picks]
    ) -> None:
        await interaction.response.send_message(f"roles {[role.name for role in select.values]}")

    @discord.ui.select(cls=discord.ui.MentionableSelect, placeholder="Anybody", max_values=3)
    async def anybody(
        self, interaction: discord.Interaction, select: discord.ui.MentionableSelect[Picks]
    ) -> None:
        names = sorted(f"{type(item).__name__} {item.name}" for item in select.values)
        await interaction.response.send_message(", ".join(names))

    @discord.ui.select(
        cls=discord.ui.ChannelSelect,
        placeholder="Channels",
        max_values=5,
        channel_types=[discord.ChannelType.text],
        default_values=[discord.Object(1_100_000_000_000_000_020)],
    )
    async def channels(
        self, interaction: discord.Interaction, select: discord.ui.ChannelSelect[Picks]
    ) -> None:
        await interaction.response.send_message(f"channels {[item.name for item in select.values]}")


class Survey(discord.ui.Modal, title="Survey"):
    """A form of selects and a file."""

    mood: discord.ui.Label[Survey] = discord.ui.Label(
        text="Mood",
        description="How it went",
        component=discord.ui.Select(
            options=[discord.SelectOption(label="good"), discord.SelectOption(label="bad")]
        ),
    )
    helpers: discord.ui.Label[Survey] = discord.ui.Label(
        text="Helpers", component=discord.ui.UserSelect(required=False, max_values=2)
    )
    proof: discord.ui.Label[Survey] = discord.ui.Label(
        text="Proof", component=discord.ui.FileUpload(required=False)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        mood, helpers, proof = self.mood.component, self.helpers.component, self.proof.component
        assert isinstance(mood, discord.ui.Select)
        assert isinstance(helpers, discord.ui.UserSelect)
        assert isinstance(proof, discord.ui.FileUpload)
        names = [user.name for user in helpers.values]
        files = [item.filename for item in proof.values]
        await interaction.response.send_message(f"{mood.values} {names} {files}")


def answer(text: str) -> discord.Embed:
    """An embed with everything that an answer has."""
    embed = discord.Embed(
        title="The matrix shapes do not fit",
        description=f"You wrote `{text[:40]}`.\n- **first** line\n- second\n> quoted\n"
        "```diff\n- nn.Linear(512, 10)\n+ nn.Linear(784, 10)\n```",
        colour=0xEE4C2C,
        url="https://docs.pytorch.org",
    )
    embed.add_field(name="Expected", value="`784`").add_field(name="Got", value="`512`")
    embed.set_footer(text="matmul-shape-mismatch")
    return embed


class SampleBot(discord.AutoShardedClient):
    """Answers every message of a person."""

    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, messages=True, message_content=True),
            guild_ready_timeout=0.05,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Translator())
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            if message.content == "selects":
                await message.reply(view=Picks())
                return
            if message.content == "thread":
                thread = await message.create_thread(name="One question")
                await thread.send("here is more room")
                return
            if message.content == "ping me":
                await asyncio.sleep(0.5)
                await message.channel.send(
                    message.author.mention, allowed_mentions=discord.AllowedMentions(users=True)
                )
                return
            files = " ".join(item.filename for item in message.attachments)
            await message.reply(files or None, embed=answer(message.content), view=Buttons())

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        if event.message.author != self.user:
            await event.message.channel.send(f"edited to {event.message.content}")


def commands(bot: SampleBot) -> None:
    """Register one command of each kind."""

    @bot.tree.command(
        name=app_commands.locale_str("explain"),
        description=app_commands.locale_str("Explain an error"),
    )
    @app_commands.rename(text=app_commands.locale_str("text"), file=app_commands.locale_str("file"))
    async def explain(
        interaction: discord.Interaction,
        text: str | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        if text is None and file is None:
            await interaction.response.send_modal(Form())
            return
        content = (await file.read()).decode() if file else text
        await interaction.response.send_message(
            f"{interaction.locale}: {content}", ephemeral=bool(file)
        )

    @bot.tree.command(name="silent", description="Answers nothing")
    async def silent(interaction: discord.Interaction) -> None:
        """Lets the time pass."""

    @bot.tree.command(name="survey", description="Asks how it went")
    async def survey(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Survey())

    group = app_commands.Group(name="group", description="What the group wants")

    @group.command(name="settings", description="Who watches where")
    @app_commands.describe(who="A member", where="A channel", times="How often", loud="Or quiet")
    async def settings(
        interaction: discord.Interaction,
        who: discord.Member,
        where: discord.TextChannel | None = None,
        times: app_commands.Range[int, 1, 9] | None = None,
        loud: bool | None = None,
    ) -> None:
        await interaction.response.send_message(f"{who.name} {where} {times} {loud}")

    @group.command(name="reset", description="Forgets it all")
    async def reset(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("reset")

    bot.tree.add_command(group)

    @bot.tree.context_menu(name=app_commands.locale_str("Explain this error"))
    async def on_message(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(message.content.upper(), ephemeral=True)


def main() -> None:
    """Log in where the arguments say."""
    api, gateway, token = sys.argv[1:]
    Route.BASE = api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    bot = SampleBot()
    commands(bot)
    bot.run(token, log_handler=None)


if __name__ == "__main__":
    main()
